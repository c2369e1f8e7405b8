"""Where the embedded store loads runs from: Parquet files, of run directories or exported from a store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ipgraph.graphstore.embedded.file import Database
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.records import SHARD_TABLES, Instance, Measure, Pattern, Prediction, Run, Step
from ipgraph.graphstore.store import reading
from ipgraph.graphstore.store.protocol import Value
from ipgraph.graphstore.store.reading import returned

ROWS_A_COPY = 2_500_000
"""Steps that one COPY reads: its memory grows with them, and more COPYs cost more time."""
_EXPORTS = {
    "instances": "MATCH (:Run {id: $run})-[:PREDICTED]->(i:Instance) WHERE i.id >= $first AND i.id <= $last "
    f"RETURN {returned('i', Instance)}",
    "predictions": "MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance) "
    "WHERE i.id >= $first AND i.id <= $last "
    f"RETURN r.id AS run, i.id AS instance, {returned('e', Prediction, ('run', 'instance'))}",
    "patterns": "MATCH (p:Pattern {run: $run}) WHERE p.instance >= $first AND p.instance <= $last "
    f"RETURN {returned('p', Pattern)}",
    "steps": "MATCH (p:Pattern {run: $run})-[t:THROUGH]->(n:Node) "
    "WHERE p.instance >= $first AND p.instance <= $last "
    f"RETURN p.id AS pattern, n.id AS node, {returned('t', Step, ('pattern', 'node'))}",
}


@dataclass(frozen=True)
class Source:
    """Runs to be loaded: their records and measures, and each shard table's Parquet files, side by side."""

    runs: Sequence[Run]
    measures: Sequence[Measure]
    files: Mapping[str, Sequence[Path]]
    whole: Mapping[str, int] = field(default_factory=dict)
    """By model, up to how many positions a store that they come from has every edge of the graph."""

    def tables(self, name: str) -> Iterator[pa.Table]:
        """Yield a table piece by piece."""
        return pieces(self.files[name])

    def parts(self) -> Iterator[dict[str, Sequence[Path]]]:
        """Yield the files in groups, of ROWS_A_COPY steps at most or of one file a table."""
        start = steps = 0
        for end, path in enumerate(self.files["steps"]):
            steps += (more := row_count(path))
            if end > start and steps > ROWS_A_COPY:
                yield {name: paths[start:end] for name, paths in self.files.items()}
                start, steps = end, more
        yield {name: paths[start:] for name, paths in self.files.items()}


def from_directories(runs: Sequence[RunDirectory], staging: Path, others: Sequence[Measure] = ()) -> Source:
    """Return run directories as a source, with measures beside their own.

    Links in `staging` give their files names without special characters.
    """
    files: dict[str, list[Path]] = {name: [] for name in SHARD_TABLES}
    for run in runs:
        link = staging / run.id
        link.symlink_to(run.path.absolute(), target_is_directory=True)
        for name, paths in files.items():
            paths += [link / path.relative_to(run.path) for path in run.files(name)]
    measures = {measure.id: measure for measure in chain(others, *(run.measures() for run in runs))}
    return Source([run.run for run in runs], list(measures.values()), files)


def from_store(old: Database, runs: Sequence[Run], staging: Path) -> Source:
    """Return runs of a store as a source: exported to `staging`, some instances at a time."""
    files: dict[str, list[Path]] = {name: [] for name in _EXPORTS}
    for run in runs:
        ids = [str(row["id"]) for row in reading.instances(old, run.id)]
        size = max(1, ROWS_A_COPY * len(ids) // max(1, run.steps))
        for start in range(0, len(ids), size):
            block = ids[start : start + size]
            ends: dict[str, Value] = {"run": run.id, "first": block[0], "last": block[-1]}
            for name, query in _EXPORTS.items():
                path = staging / f"{run.id}-{start}-{name}.parquet"
                export_file(old, query, ends, path)
                files[name].append(path)
    measures = [measure for run in runs for measure in reading.measures(old, run.id)]
    far = {run.model: run for run in runs if run.positions > graph.FULL_POSITIONS}
    whole = {name: reading.whole_positions(old, name, run.layers, run.heads) for name, run in far.items()}
    return Source(runs, measures, files, whole)


def export_file(old: Database, query: str, parameters: Mapping[str, Value], path: Path) -> None:
    """Write the rows of a query to a Parquet file."""
    old.read(f"COPY ({query}) TO {quoted(path)}", parameters)


def absent_instances(source: Source, held: set[str]) -> Iterator[pa.Table]:
    """Yield the instances of a source that are not held, each once."""
    seen = set(held)
    for table in source.tables("instances"):
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
