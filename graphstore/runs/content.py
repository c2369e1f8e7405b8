"""What a run holds, in the order and form in which both stores load it, count it and compare it.

Patterns come one row each, with their steps as lists; the order is that of the shards, so that a loading can
resume at a row number. A content digest is a sum over rows, so that a store may return them in any order.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.records import columns

Row = dict[str, Any]

STEP_LISTS = ("nodes", "influences", "margins", "runner_ups")
"""What `pattern_batches` adds to a pattern: its steps' node ids, influences, margins, runners-up."""
_DIGEST_BYTES = 16


def digested() -> dict[str, tuple[str, ...]]:
    """Return the columns that a run's content digest covers, by file, in order; steps belong to patterns."""
    names = {file: tuple(columns(tables.record_of(file))) for file in tables.files() if file != "steps"}
    return names | {"patterns": (*names["patterns"], *STEP_LISTS)}


@dataclass
class Digest:
    """Count and content digest of a table's rows, whatever their order; a row counts as often as it comes."""

    names: tuple[str, ...]
    rows: int = 0
    total: int = 0

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in rows that have (at least) the columns `names`."""
        for row in rows:
            text = json.dumps([row[name] for name in self.names], separators=(",", ":"))
            self.total += int.from_bytes(blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest())
            self.rows += 1
        self.total %= 1 << (8 * _DIGEST_BYTES)

    def __str__(self) -> str:
        return f"{self.total:0{2 * _DIGEST_BYTES}x}"


@dataclass
class Content:
    """A run's content, to be compared: a digest for each table, and how many steps its patterns have."""

    tables: dict[str, Digest] = field(
        default_factory=lambda: {file: Digest(names) for file, names in digested().items()}
    )
    steps: int = 0

    def add(self, table: str, rows: list[Row]) -> None:
        """Take in rows of a table, in any order."""
        self.tables[table].add(rows)
        if table == "patterns":
            self.steps += sum(len(row["nodes"]) for row in rows)

    def differences(self, other: "Content") -> list[str]:
        """Return what differs between this (the run directory's) and another (a store's), one phrase each."""
        counts = {name: (self.tables[name].rows, other.tables[name].rows) for name in self.tables}
        counts["steps"] = (self.steps, other.steps)
        differing = [
            f"{name}: {a} in the run directory, {b} in the store" for name, (a, b) in counts.items() if a != b
        ]
        return differing + [
            f"{name}: as many, but their content differs"
            for name in self.tables
            if counts[name][0] == counts[name][1] and self.tables[name].total != other.tables[name].total
        ]


def content(run: RunDirectory) -> Content:
    """Return what a run directory holds; reads it shard by shard."""
    whole = Content()
    for name in whole.tables:
        parts = pattern_batches(run, 1000) if name == "patterns" else run.tables(name)
        for part in parts:
            whole.add(name, part.to_pylist())
    return whole


def pattern_batches(run: RunDirectory, size: int, start: int = 0) -> Iterator[pa.Table]:
    """Yield a run's patterns from row `start` on, in the shards' order, in tables of at most `size` rows.

    A batch ends where a shard does, or else an instance, unless that instance alone has more patterns. The
    columns are Pattern's and the lists of `STEP_LISTS`, over the pattern's steps 0, 1, ...
    Raises IpgraphError if a shard's steps do not follow its patterns' paths.
    """
    for table in _pattern_tables(run):
        instances = table["instance"].to_pylist()
        at = min(start, len(instances))
        start -= at
        while at < len(instances):
            end = _batch_end(instances, at, size)
            yield table.slice(at, end - at)
            at = end


def _batch_end(instances: list[str], start: int, size: int) -> int:
    """Return where a batch ends that begins at a row: after the last instance that is whole, if one is."""
    if len(instances) - start <= size:
        return len(instances)
    for end in range(start + size, start, -1):
        if instances[end - 1] != instances[end]:
            return end
    return start + size


def _pattern_tables(run: RunDirectory) -> Iterator[pa.Table]:
    """Yield the patterns with their steps as lists (see `pattern_batches`) as one table a shard."""
    for patterns, steps in zip(run.tables("patterns"), run.tables("steps"), strict=True):
        patterns, steps = patterns.combine_chunks(), steps.combine_chunks()
        paths = _only_chunk(patterns["path"])
        nodes = _only_chunk(steps["node"])
        if not nodes.equals(paths.flatten()):
            raise IpgraphError(f"run {run.id}: the steps of a shard do not follow its patterns' paths")
        for name, column in zip(STEP_LISTS, ("node", "influence", "margin", "runner_up"), strict=True):
            patterns = patterns.append_column(name, lists_like(paths, _only_chunk(steps[column])))
        yield patterns


def lists_like(lists: pa.ListArray, values: pa.Array) -> pa.ListArray:
    """Return other values in lists as long as the given ones, one after the other."""
    offsets = pc.subtract(lists.offsets, lists.offsets[0]) if len(lists) else pa.array([0], pa.int32())
    return pa.ListArray.from_arrays(offsets, values)


def _only_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)
