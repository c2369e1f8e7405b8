"""Datasets from files: JSON Lines, BLiMP, tab-separated good/bad pairs, SST-2 as TSV or Parquet.

The fields of a row decide its kind (`rows.py` reads the layouts of files):

- masked: `text` with one [MASK], `correct`, `wrong`;
- pair: `sentence_good`, `sentence_bad` that differ in exactly one word, which becomes the [MASK];
- labelled: `sentence` (or `text`) and a class number `label`, which may be missing or -1.

All kinds may have `id`, `subtask`, `condition` and `roles` (one per whitespace word). In the first two kinds,
punctuation is split into words of its own and " ." is added if the sentence does not end, as in the published
code. In the text of a classifier only runs of whitespace change. Case stays; the tokenizer may change it.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from ipgraph.extractor.datasets.example import (
    MASK,
    Dataset,
    Example,
    Skipped,
    Task,
    instance_with,
    make_instance,
)
from ipgraph.extractor.datasets.rows import SNIFFED, WANTED, BadRow, Fields, Row, read_rows
from ipgraph.extractor.datasets.words import check_count, read_roles, split_words
from ipgraph.graphstore.common.errors import UsageError

_SUFFIXES = re.compile(r"(?<=.)(\.(jsonl|ndjson|json|tsv|txt|parquet|gz))+$", re.IGNORECASE)
_SPECIAL = re.compile(r"\[(CLS|SEP|PAD)\]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
_SPOKEN = {"good": "good sentence", "bad": "bad sentence"}
_MAX_LABEL = 2**31 - 1
MISSING = "(none)"
"""The subtask or condition of a row that has none, in a file in which other rows have one."""


def read_file(path: Path, *, strict: bool = False, task: Task | None = None) -> Dataset:
    """Return a file's examples in order, and the rows that cannot be used with their line and reason.

    `strict` stops at the first such row; `task` decides the kind of rows that have only a text.
    Raises UsageError for a file that cannot be opened, has rows of an unknown kind or has no usable row, and
    IpgraphError for a damaged file.
    """
    rows = read_rows(path)
    head = list(islice(rows, SNIFFED))
    read = _reader(path, head, task)
    dataset = Dataset(_SUFFIXES.sub("", path.name), [])
    seen: dict[str, int] = {}
    for row in chain(head, rows):
        where = f"{path.name}:{row.number}"
        try:
            dataset.examples.append(_example(read, dataset.name, where, row, seen))
        except BadRow as error:
            if strict:
                raise UsageError(f"{where}: {error}") from error
            dataset.skipped.append(Skipped(where, str(error)))
    if not dataset.examples:
        raise UsageError(f"{path} has no usable row{_first(dataset.skipped)}")
    for column in ("subtask", "condition"):
        dataset.examples = _filled(dataset.examples, column)
    return dataset


def read_sentence(text: str, *, correct: str = "", wrong: str = "", label: int | None = None) -> Dataset:
    """Return a dataset of one sentence, read like a row of a file; raises UsageError if it cannot be used."""
    given = {"text": text, "correct": correct or None, "wrong": wrong or None, "label": label}
    fields: Fields = {name: value for name, value in given.items() if value is not None}
    read = _masked if correct or wrong or (MASK in text and label is None) else _labelled
    try:
        return Dataset("text", [_example(read, "text", "text", Row(1, fields), {})])
    except BadRow as error:
        raise UsageError(f"the sentence cannot be used: {error}") from error


def _filled(examples: list[Example], column: str) -> list[Example]:
    """Give the examples without a subtask (or condition) the name MISSING if others have one.

    In queries an empty name stands for all of them.
    """
    values = [getattr(example.instance, column) for example in examples]
    if all(values) or not any(values):
        return examples
    return [
        example if value else replace(example, instance=instance_with(example.instance, **{column: MISSING}))
        for example, value in zip(examples, values, strict=True)
    ]


def _first(skipped: list[Skipped]) -> str:
    return f"; {len(skipped)} skipped, the first {skipped[0].where}: {skipped[0].reason}" if skipped else ""


def _example(read: "_Reader", dataset: str, where: str, row: Row, seen: dict[str, int]) -> Example:
    if row.problem:
        raise BadRow(row.problem)
    content = read(row.fields)
    instance = make_instance(
        dataset,
        " ".join(content.words),
        correct=content.correct,
        wrong=content.wrong,
        label=content.label,
        subtask=_group(row.fields, "subtask"),
        condition=_group(row.fields, "condition"),
        name=_optional(row.fields, "id"),
    )
    first = seen.setdefault(instance.id, row.number)
    if first != row.number:
        raise BadRow(f"repeats row {first}")
    return Example(instance, tuple(content.roles), where)


@dataclass(frozen=True, slots=True)
class _Content:
    words: list[str]
    roles: Sequence[str]
    correct: str = ""
    wrong: str = ""
    label: int = -1


_Reader = Callable[[Fields], _Content]


def _masked(fields: Fields) -> _Content:
    words, roles = split_words(_text(fields, "text"), read_roles(fields.get("roles")))
    if words.count(MASK) != 1:
        raise BadRow(f"the text has {words.count(MASK) or 'no'} {MASK}; it must have exactly one")
    correct, wrong = _form(fields, "correct"), _form(fields, "wrong")
    if correct == wrong:
        raise BadRow(f"correct and wrong are both {correct!r}")
    return _Content(words, roles, correct, wrong)


def _pair(fields: Fields) -> _Content:
    good, roles = split_words(_text(fields, "good"), read_roles(fields.get("roles")))
    bad, _ = split_words(_text(fields, "bad"))
    if MASK in good or MASK in bad:
        raise BadRow(f"a good or bad sentence must not contain {MASK}")
    if len(good) != len(bad):
        raise BadRow(f"good and bad have {len(good)} and {len(bad)} words; exactly one word must differ")
    places = [place for place, word in enumerate(good) if word != bad[place]]
    if len(places) != 1:
        pairs = ", ".join(f"{good[place]}/{bad[place]}" for place in places[:3]) or "none"
        raise BadRow(f"good and bad differ in {len(places)} words ({pairs}); exactly one word must differ")
    (place,) = places
    words = [*good[:place], MASK, *good[place + 1 :]]
    return _Content(words, roles, good[place], bad[place])


def _labelled(fields: Fields) -> _Content:
    words, roles = _text(fields, "text").split(), read_roles(fields.get("roles"))
    check_count(words, roles)
    return _Content(words, roles, label=_label(fields["label"]) if "label" in fields else -1)


def _reader(path: Path, head: list[Row], task: Task | None) -> _Reader:
    """Return how to read the rows: as the kind that most of the first rows have."""
    if not head:
        raise UsageError(f"{path} is empty; expected {WANTED}")
    votes = Counter(reader for row in head if (reader := _reader_of(row.fields, task)))
    if votes:
        return votes.most_common(1)[0][0]
    problem = head[0].problem or f"found {', '.join(head[0].fields) or 'none of the known fields'}"
    raise UsageError(f"{path} line {head[0].number}: {problem}; expected {WANTED}")


def _reader_of(fields: Fields, task: Task | None) -> _Reader | None:
    if "good" in fields and "bad" in fields:
        return _pair
    if "text" not in fields:
        return None
    if "correct" in fields or "wrong" in fields:
        return _masked
    is_masked = MASK in str(fields["text"]) if task is None else task == "masked-lm"
    return _masked if is_masked and "label" not in fields else _labelled


# --- fields ---


def _text(fields: Fields, name: str) -> str:
    """Return a required text, checked but unchanged."""
    value, what = fields.get(name), _SPOKEN.get(name, name)
    if not isinstance(value, str):
        raise BadRow(f"{what} is missing" if _is_missing(value) else f"{what} must be text, not {value!r}")
    if not value.strip():
        raise BadRow(f"{what} is empty")
    _check(what, value)
    return value


def _check(what: str, value: str) -> None:
    if match := _UNPRINTABLE.search(value):
        raise BadRow(f"{what} contains the unprintable character U+{ord(match[0]):04X}")
    if match := _SPECIAL.search(value):
        raise BadRow(f"{what} contains {match[0]}, which the tokenizer adds by itself; leave it out")


def _form(fields: Fields, name: str) -> str:
    """Return a word form."""
    form = _text(fields, name).strip()
    if len(form.split()) != 1 or MASK in form:
        raise BadRow(f"{name} must be one word, not {form!r}")
    return form


def _group(fields: Fields, column: str) -> str:
    value = _optional(fields, column)
    return "" if value == MISSING else value


def _optional(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if _is_missing(value) or value == "":
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # data frames write whole numbers with gaps as floats
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRow(f"{name} must be text or a whole number, not {value!r}")
    _check(name, str(value))
    return " ".join(str(value).split())


def _label(value: object) -> int:
    """Return a class number, or -1 for a sentence without one (GLUE's convention)."""
    if _is_missing(value) or value == "":
        raise BadRow("label is missing; it must be a class number, or -1 for a sentence without one")
    try:
        number = (
            float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else -2.0
        )
    except (ValueError, OverflowError):
        number = -2.0
    if not (number.is_integer() and -1 <= number <= _MAX_LABEL):
        raise BadRow(f"label {value!r} is not a class number such as 0 or 1")
    return int(number)


def _is_missing(value: object) -> bool:
    return value is None or value != value  # NaN in data frames
