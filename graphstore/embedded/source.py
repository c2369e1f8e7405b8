"""Where the embedded store loads runs from: Parquet files, of run directories or exported from a store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ipgraph.graphstore.embedded.file import Database
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import graph, tables
from ipgraph.graphstore.schema.records import Measure, Run
from ipgraph.graphstore.schema.tables import Table
from ipgraph.graphstore.store import reading
from ipgraph.graphstore.store.protocol import Value

ROWS_A_COPY = 2_500_000
"""Steps that one COPY reads: its memory grows with them, and more COPYs cost more time."""


@dataclass(frozen=True)
class Source:
    """Runs to be loaded: their records and measures, and the Parquet files of each table.

    Files of shards lie side by side; those that are computed from shards are a run's, or none.
    """

    runs: Sequence[Run]
    measures: Sequence[Measure]
    files: Mapping[str, Sequence[Path]]
    whole: Mapping[str, int] = field(default_factory=dict)
    """By model, up to how many positions a store that they come from has every edge of the graph."""

    def tables(self, name: str) -> Iterator[pa.Table]:
        """Yield a table piece by piece."""
        return pieces(self.files[name])

    def parts(self) -> Iterator[dict[str, Sequence[Path]]]:
        """Yield the files in groups, of ROWS_A_COPY steps at most or of one file a table; runs' own in the last."""
        derived = tables.derived()
        sharded = {name: paths for name, paths in self.files.items() if name not in derived}
        start = steps = 0
        for end, path in enumerate(self.files["steps"]):
            steps += (more := row_count(path))
            if end > start and steps > ROWS_A_COPY:
                yield {name: paths[start:end] for name, paths in sharded.items()}
                start, steps = end, more
        last = {name: paths[start:] for name, paths in sharded.items()}
        yield last | {name: self.files[name] for name in derived}


def from_directories(runs: Sequence[RunDirectory], staging: Path, others: Sequence[Measure] = ()) -> Source:
    """Return run directories as a source, with measures beside their own.

    Links in `staging` give their files names without special characters.
    """
    files: dict[str, list[Path]] = {name: [] for name in tables.files()}
    for run in runs:
        link = staging / run.id
        link.symlink_to(run.path.absolute(), target_is_directory=True)
        for name, paths in files.items():
            paths += [link / path.relative_to(run.path) for path in run.files(name)]
    measures = {measure.id: measure for measure in chain(others, *(run.measures() for run in runs))}
    return Source([run.run for run in runs], list(measures.values()), files)


def from_store(old: Database, runs: Sequence[Run], staging: Path) -> Source:
    """Return runs of a store as a source: exported to `staging`, some instances at a time."""
    files: dict[str, list[Path]] = {name: [] for name in tables.files()}
    for run in runs:
        ids = reading.instances(old, run.id)
        size = max(1, ROWS_A_COPY * len(ids) // max(1, run.steps))
        for start in range(0, len(ids), size):
            block = ids[start : start + size]
            ends: dict[str, Value] = {"runs": [run.id], "first": block[0], "last": block[-1]}
            for name, table in tables.files().items():
                if not table.derived:
                    files[name].append(staging / f"{run.id}-{start}-{name}.parquet")
                    export_file(old, _export(table), ends, files[name][-1])
        for name in tables.derived():
            files[name].append(staging / f"{run.id}-{name}.parquet")
            export_file(old, _export(tables.files()[name]), {"runs": [run.id]}, files[name][-1])
    measures = {measure.id: measure for run in runs for measure in reading.measures(old, run.id)}
    far = [run for run in runs if run.positions > graph.FULL_POSITIONS]
    whole = {
        model: reading.whole_positions(old, model, shape) for model, (shape, _) in reading.shapes(far).items()
    }
    return Source(runs, list(measures.values()), files, whole)


def _export(table: Table) -> str:
    """Return the query of a table's rows that belong to `$runs`, and to instances `$first` to `$last`.

    Rows of a run as a whole are of no instance.
    """
    block = f" AND {table.instance} >= $first AND {table.instance} <= $last" if table.instance else ""
    return f"{table.match} WHERE {table.of_runs}{block} RETURN {table.items}"


def export_file(old: Database, query: str, parameters: Mapping[str, Value], path: Path) -> None:
    """Write the rows of a query to a Parquet file."""
    old.read(f"COPY ({query}) TO {quoted(path)}", parameters)


def absent_rows(source: Source, file: str, held: set[str]) -> Iterator[pa.Table]:
    """Yield the nodes in a source's file that a store does not hold, each once."""
    seen = set(held)
    for table in source.tables(file):
        ids = table["id"].to_pylist()
        yield table.filter(pa.array([name not in seen for name in ids], pa.bool_()))
        seen.update(ids)


def pieces(paths: Iterable[Path]) -> Iterator[pa.Table]:
    """Yield Parquet files piece by piece."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group)


def row_count(path: Path) -> int:
    """Return how many rows a Parquet file has."""
    return int(pq.read_metadata(path).num_rows)


def quoted(path: Path) -> str:
    """Return a path as a Cypher string."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"
