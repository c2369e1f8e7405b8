"""Which column of a dataset means what: one list of names for every layout.

Names are compared without case, spaces and punctuation. Of several columns that mean the same, the one whose
name stands first below is read.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from ipgraph.extractor.datasets.rows import Fields, listed
from ipgraph.graphstore.common.errors import UsageError, unknown

NAMES: dict[str, tuple[str, ...]] = {
    "text": ("text", "sentence", "review", "content", "tweet", "comment", "document", "utterance"),
    "second": ("second",),
    "continuation": ("continuation",),
    "correct": ("correct",),
    "wrong": ("wrong", "incorrect"),
    "good": ("good", "sentence_good", "good_sentence"),
    "bad": ("bad", "sentence_bad", "bad_sentence"),
    "one_prefix": ("one_prefix_method",),
    "label": (
        *("label", "labels", "gold_label", "gold", "target", "class", "category", "sentiment"),
        *("quality", "is_duplicate"),
    ),
    "label_name": ("label_name", "label_text"),
    "id": ("id", "idx", "index", "pair_id", "uid"),
    "subtask": ("subtask", "task", "case"),
    "condition": ("condition",),
    "roles": ("roles",),
}
"""The names of each field's column, the best first."""
PAIRS = (
    ("text", "second"),
    ("text", "text_pair"),
    ("text1", "text2"),
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question1", "question2"),
    ("#1 String", "#2 String"),
)
"""The names of the columns of two sentences that belong together, read as `text` and `second`."""
EXPECTED = (
    "text with label (classifier), text with correct and wrong (masked language model), these with "
    "continuation (encoder-decoder), or sentence_good with sentence_bad, as CSV, tab-separated text, JSON, "
    "Parquet or Arrow"
)

_OF_KIND = {
    "pair": {"good", "bad", "one_prefix"},
    "continued": {"text", "continuation", "correct", "wrong"},
    "masked": {"text", "correct", "wrong"},
    "labelled": {"text", "second", "label", "label_name"},
}
_OF_ALL = {"id", "subtask", "condition", "roles"}
_SAID = {
    "pair": "a good and bad pair",
    "continued": "a text with its continuation",
    "masked": "a masked text",
    "labelled": "a labelled text",
}


@dataclass(frozen=True, slots=True)
class Columns:
    """What is read from which column, and the columns that are not read, each with the reason or ""."""

    read: Mapping[str, str]
    unread: Mapping[str, str]
    missing: Sequence[tuple[str, str]] = ()  # fields with the columns that were asked for and are not there

    @property
    def are_enough(self) -> bool:
        """Whether these columns hold a sentence."""
        return "text" in self.read or {"good", "bad"} <= set(self.read)

    def fields(self, values: Mapping[str, object]) -> Fields:
        """Return a row's values by field."""
        return {field: values[column] for field, column in self.read.items()}


Choose = Callable[[tuple[str, ...]], Columns]


def chooser(given: Mapping[str, str]) -> Choose:
    """Return how columns are chosen from their names; `given` maps fields to columns ("": none).

    Raises UsageError for a field that does not exist.
    """
    for field in given:
        if field not in NAMES:
            raise unknown("field", field, NAMES)
    return partial(_columns_of, given=tuple(given.items()))


def unusable(where: str, names: tuple[str, ...], columns: Columns) -> UsageError:
    """Return the error for a header without a sentence; `columns` are those chosen from its names."""
    if columns.missing:
        field, column = columns.missing[0]
        return UsageError(f"{where} has no column {column!r} for {field}; it has {listed(names)}")
    return UsageError(
        f"{where}: found the columns {listed(names)}; expected {EXPECTED}. Rename a column, or say what it "
        "is, such as text=COLUMN"
    )


def of_one_kind(columns: Columns) -> Columns:
    """Return the columns with those that only another kind of row needs among the unread."""
    fields = set(columns.read)
    kind = "labelled"
    if {"good", "bad"} <= fields:
        kind = "pair"
    elif "text" in fields and fields & {"correct", "wrong"}:
        kind = "continued" if "continuation" in fields else "masked"
    read = {f: column for f, column in columns.read.items() if f in _OF_KIND[kind] | _OF_ALL}
    others = dict.fromkeys(column for column in columns.read.values() if column not in read.values())
    return Columns(read, {**columns.unread, **dict.fromkeys(others, f"not part of {_SAID[kind]}")})


@lru_cache(maxsize=1024)
def _columns_of(names: tuple[str, ...], given: tuple[tuple[str, str], ...] = ()) -> Columns:
    wanted = dict(given)
    candidates = {field: _candidates(names, field, wanted) for field in NAMES}
    if not wanted.keys() & {"text", "second"}:
        candidates |= _paired(names)
    if (candidates["good"] or candidates["bad"]) and "subtask" not in wanted:
        uid = _matching(names, "uid")  # which in BLiMP names the phenomenon
        candidates["subtask"] += uid
        candidates["id"] = [column for column in candidates["id"] if column not in uid]
    read = {field: columns[0] for field, columns in candidates.items() if columns}
    same = {column: f"means the same as {read[f]!r}" for f in read for column in candidates[f][1:]}
    taken = set(read.values())
    missing = [(field, column) for field, column in given if column and not _matching(names, column)]
    return Columns(read, {name: same.get(name, "") for name in names if name not in taken}, missing)


def _candidates(names: tuple[str, ...], field: str, wanted: Mapping[str, str]) -> list[str]:
    """Return the columns that may be a field, the best first."""
    if field in wanted:
        return _matching(names, wanted[field])[:1]
    taken = [column for name in wanted.values() for column in _matching(names, name)]
    found = [column for name in NAMES[field] for column in _matching(names, name)]
    return [column for column in found if column not in taken]


def _paired(names: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the columns of the first two names that belong together and are both there."""
    for one, other in PAIRS:
        first, second = _matching(names, one), _matching(names, other)
        if first and second:
            return {"text": first, "second": second}
    return {}


def _matching(names: tuple[str, ...], name: str) -> list[str]:
    """Return the columns of this name, the one that is spelled the same first."""
    found = [other for other in names if _key(other) == _key(name)] if _key(name) else []
    return sorted(found, key=lambda other: other != name)


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold()) or name
