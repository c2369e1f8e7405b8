"""A dataset from rows: of a file, a folder, the hub or an object in memory, all read alike.

`layouts` gives the rows of each source, `columns` says which column means what, and `kinds` what a row says.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from ipgraph.extractor.datasets.columns import (
    EXPECTED,
    Choose,
    Columns,
    chooser,
    of_one_kind,
    unusable,
)
from ipgraph.extractor.datasets.example import (
    MASK,
    Dataset,
    Example,
    Skipped,
    Task,
    in_words,
    instance_with,
    make_instance,
)
from ipgraph.extractor.datasets.kinds import (
    MISSING,
    Reader,
    continued,
    cut,
    group,
    labelled,
    masked,
    optional,
    reader_of,
)
from ipgraph.extractor.datasets.layouts import delimited, hub, json_text, lines, objects, tables
from ipgraph.extractor.datasets.rows import SNIFFED, BadRow, Fields, Row, Rows
from ipgraph.extractor.datasets.words import read_roles
from ipgraph.graphstore.common.errors import UsageError

_SUFFIXES = re.compile(r"(?<=.)(\.(jsonl|ndjson|json|csv|tsv|txt|parquet|arrow|gz))+$", re.IGNORECASE)
_NAME = re.compile(r"(?=.{1,100}$)[\w.+-]+( [\w.+-]+)*")
_NAMED = 100
"""Unread columns that a dataset names, which matters for JSON with other names in every row."""

Given = Mapping[str, str] | Iterable[tuple[str, str]] | None


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows with the dataset's name, what messages call the source, and what places of rows begin with."""

    name: str
    title: str
    place: str
    rows: Rows


def read_dataset(
    source: "str | Path | objects.Records",
    *,
    strict: bool = False,
    task: Task | None = None,
    name: str = "",
    roles: str | Sequence[str] = "",
    columns: Given = None,
) -> Dataset:
    """Return a source's examples in order, and the rows that cannot be used with their place and reason.

    `strict` stops at the first such row; `task` decides the kind of rows that have only a text; `name` is the
    dataset's (by default the file's); `roles` are those of rows without any, one per whitespace word;
    `columns` says which column a field such as "text" or "label" is read from ("": none).
    Raises UsageError for a source that cannot be opened, has rows of an unknown kind or has no usable row,
    and IpgraphError for a damaged file.
    """
    if name and not _NAME.fullmatch(name):
        raise UsageError(f"the name {name!r} must be 1 to 100 letters, digits, single spaces or . + - _")
    given = dict(columns or ())
    choose = chooser(given)
    names = _default_roles(roles)
    with _opened(source, choose) as opened:
        header = opened.rows.columns
        if header and (columns_of := choose(header)).missing:
            raise unusable(opened.title, header, columns_of)
        opened = replace(opened, name=name or opened.name)
        return _read(opened, choose, strict, task, names)


def _default_roles(roles: str | Sequence[str]) -> list[str]:
    try:
        return read_roles(roles if isinstance(roles, str) else list(roles))
    except BadRow as error:
        raise UsageError(str(error)) from error


@contextmanager
def _opened(source: "str | Path | objects.Records", choose: Choose) -> Iterator[_Source]:
    if isinstance(source, str) and source.startswith(hub.PREFIX):
        name, data = hub.hub_dataset(source)
        yield _Source(name, source, name, objects.rows_of_object(data, choose))
    elif not isinstance(source, str | Path):
        yield _Source("data", "the dataset", "row", objects.rows_of_object(source, choose))
    elif (path := Path(source)).is_dir():
        name = _printable(tables.folder_name(path))
        with tables.arrow_rows(tables.folder_files(path), choose) as rows:
            yield _Source(name, str(path), name, rows)
    else:
        with _rows_of_file(path, choose) as rows:
            yield _Source(_printable(_SUFFIXES.sub("", path.name)), str(path), _printable(path.name), rows)


def _printable(name: str) -> str:
    return "".join(mark if mark.isprintable() else "_" for mark in name)


@contextmanager
def _rows_of_file(path: Path, choose: Choose) -> Iterator[Rows]:
    """Open a file's rows, whose layout its content says."""
    with lines.opened(path) as file:
        head = file.peek(8)
        if head.startswith(tables.PARQUET):
            with tables.parquet_rows(path, choose) as rows:
                yield rows
        elif head.startswith(tables.ARROW):
            with tables.arrow_rows([path], choose) as rows:
                yield rows
        else:
            text = lines.decompressed(path, file)
            if json_text.is_array(text.peek(SNIFFED)):
                yield Rows((), json_text.rows_of_array(path, text))
            else:
                yield _rows_of_lines(path, lines.lines_of(text), choose)


def _rows_of_lines(path: Path, all_lines: Iterator[lines.Line], choose: Choose) -> Rows:
    written = (line for line in all_lines if not line.is_blank)
    head = list(islice(written, SNIFFED))
    if not head:
        return Rows((), iter(()))
    looks = [line.content.lstrip().startswith(b"{") for line in head if not line.problem]
    if 2 * sum(looks) > len(looks):
        return Rows((), json_text.rows_of_lines(chain(head, written)))
    return delimited.rows_of_table(path, head, all_lines, choose)


def _read(source: _Source, choose: Choose, strict: bool, task: Task | None, roles: list[str]) -> Dataset:
    head = list(islice(source.rows.rows, SNIFFED))
    dataset = Dataset(source.name, [])
    read = _reader(source, head, choose, task)
    header = choose(source.rows.columns)
    dataset.read, dataset.unread = dict(header.read), dict(header.unread)
    seen: dict[str, int] = {}
    for row in chain(head, source.rows.rows):
        where = f"{source.place}:{row.number}"
        try:
            fields = _fields(dataset, choose, row)
            dataset.examples.append(_example(read, dataset.name, where, fields, row.number, seen, roles))
        except BadRow as error:
            if strict:
                raise UsageError(f"{where}: {error}") from error
            dataset.skipped.append(Skipped(where, str(error), error.kind))
    if not dataset.examples:
        skipped = f": {in_words(dataset.skipped)}" if dataset.skipped else ""
        raise UsageError(f"{source.title} has no usable row{skipped}")
    for column in ("subtask", "condition"):
        dataset.examples = _filled(dataset.examples, column)
    columns = of_one_kind(Columns(dataset.read, dataset.unread))
    dataset.read, dataset.unread = dict(columns.read), dict(columns.unread)
    return dataset


def _fields(dataset: Dataset, choose: Choose, row: Row) -> Fields:
    """Return a row's values by field, and note which columns were read."""
    if row.problem:
        raise row.problem
    columns = choose(tuple(row.fields))
    for field, column in columns.read.items():
        dataset.read.setdefault(field, column)
    if columns.unread and len(dataset.unread) < _NAMED:
        dataset.unread |= columns.unread
    return columns.fields(row.fields)


def read_sentence(
    text: str,
    *,
    second: str = "",
    continuation: str = "",
    correct: str = "",
    wrong: str = "",
    label: int | str | None = None,
    task: Task | None = None,
) -> Dataset:
    """Return a dataset of one sentence, read like a row of a file for a model of a task.

    Raises UsageError if it cannot be used.
    """
    given: Fields = {"second": second, "continuation": continuation, "correct": correct, "wrong": wrong}
    fields: Fields = {"text": text} | {name: value for name, value in given.items() if value}
    if label is not None:
        fields["label"] = label
    if continuation:
        read = continued
    elif not (correct or wrong or (MASK in text and label is None)):
        read = labelled
    else:
        read = cut if task == "causal-lm" else masked
    try:
        return Dataset("text", [_example(read, "text", "text", fields, 1, {}, [])])
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


def _example(
    read: Reader,
    dataset: str,
    where: str,
    fields: Fields,
    number: int,
    seen: dict[str, int],
    roles: list[str],
) -> Example:
    if roles and not fields.get("roles"):
        fields["roles"] = roles
    content = read(fields)
    instance = make_instance(
        dataset,
        " ".join(content.words),
        second=content.second,
        continuation=content.continuation,
        correct=content.correct,
        wrong=content.wrong,
        label=content.label,
        label_name=content.label_name,
        subtask=group(fields, "subtask"),
        condition=group(fields, "condition"),
        name=optional(fields, "id"),
    )
    first = seen.setdefault(instance.id, number)
    if first != number:
        raise BadRow("repeats row {}", first)
    return Example(instance, tuple(content.roles), where)


def _reader(source: _Source, head: list[Row], choose: Choose, task: Task | None) -> Reader:
    """Return how to read the rows: as the kind that most of the first rows have."""
    if not head:
        raise UsageError(f"{source.title} is empty; expected {EXPECTED}")
    fields = [choose(tuple(row.fields)).fields(row.fields) for row in head]
    votes = Counter(reader for row in fields if (reader := reader_of(row, task)))
    if votes:
        return votes.most_common(1)[0][0]
    if problem := head[0].problem:
        raise UsageError(f"{source.title} row {head[0].number}: {problem}; expected {EXPECTED}")
    names = tuple(head[0].fields)
    raise unusable(f"{source.title} row {head[0].number}", names, choose(names))
