"""Datasets from files: JSON Lines, BLiMP, tab-separated good/bad pairs, SST-2 as TSV or Parquet.

`rows` reads the layouts of files, and `kinds` says what the fields of a row mean.
"""

import re
from collections import Counter
from dataclasses import replace
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
from ipgraph.extractor.datasets.kinds import MISSING, Reader, group, labelled, masked, optional, reader_of
from ipgraph.extractor.datasets.rows import SNIFFED, WANTED, BadRow, Fields, Row, read_rows
from ipgraph.graphstore.common.errors import UsageError

_SUFFIXES = re.compile(r"(?<=.)(\.(jsonl|ndjson|json|tsv|txt|parquet|gz))+$", re.IGNORECASE)


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
    read = masked if correct or wrong or (MASK in text and label is None) else labelled
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


def _example(read: "Reader", dataset: str, where: str, row: Row, seen: dict[str, int]) -> Example:
    if row.problem:
        raise BadRow(row.problem)
    content = read(row.fields)
    instance = make_instance(
        dataset,
        " ".join(content.words),
        second=content.second,
        correct=content.correct,
        wrong=content.wrong,
        label=content.label,
        subtask=group(row.fields, "subtask"),
        condition=group(row.fields, "condition"),
        name=optional(row.fields, "id"),
    )
    first = seen.setdefault(instance.id, row.number)
    if first != row.number:
        raise BadRow(f"repeats row {first}")
    return Example(instance, tuple(content.roles), where)


def _reader(path: Path, head: list[Row], task: Task | None) -> Reader:
    """Return how to read the rows: as the kind that most of the first rows have."""
    if not head:
        raise UsageError(f"{path} is empty; expected {WANTED}")
    votes = Counter(reader for row in head if (reader := reader_of(row.fields, task)))
    if votes:
        return votes.most_common(1)[0][0]
    problem = head[0].problem or f"found {', '.join(head[0].fields) or 'none of the known fields'}"
    raise UsageError(f"{path} line {head[0].number}: {problem}; expected {WANTED}")
