"""Loading into the embedded store: COPY from Parquet files, by column name, and only of keys that are absent.

What one run owns is copied straight from its files. Instances and computation graphs are shared between runs:
those are first written to files that hold only what the store does not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ipgraph.graphstore import graph, stored
from ipgraph.graphstore.errors import IpgraphError
from ipgraph.graphstore.ladybug_file import Database
from ipgraph.graphstore.runs import RunDirectory
from ipgraph.graphstore.schema import (
    RELATIONSHIPS,
    SHARD_TABLES,
    Evaluation,
    Flow,
    Instance,
    Measure,
    Node,
    Pattern,
    Run,
    Step,
    columns,
    properties,
)
from ipgraph.graphstore.store import Progress, Value
from ipgraph.graphstore.stored import counts, returned, rows
from ipgraph.graphstore.tables import arrow_schema, to_table

SHARDS_A_COPY = 200
"""Files that one COPY reads: the database's memory grows with them, and so does its speed."""
RELATIONSHIP = {kind.name: kind for kind in RELATIONSHIPS}
_KEYED = {name: (*kind.keys, *properties(kind)) for name, kind in RELATIONSHIP.items()}
OWN: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Pattern", "patterns", tuple(columns(Pattern))),
    ("EVALUATED", "evaluations", _KEYED["EVALUATED"]),
    ("PRODUCED", "patterns", ("run", "id")),
    ("HAS_PATTERN", "patterns", ("instance", "id")),
    ("THROUGH", "steps", _KEYED["THROUGH"]),
)
"""What only one run uses: the database's table, the shards' table, its columns in the database's order."""
_EXPORTS = {
    "instances": "MATCH (r:Run)-[:EVALUATED]->(i:Instance) WHERE r.id IN $runs "
    f"RETURN DISTINCT {returned('i', Instance)}",
    "evaluations": "MATCH (r:Run)-[e:EVALUATED]->(i:Instance) WHERE r.id IN $runs "
    f"RETURN r.id AS run, i.id AS instance, {returned('e', Evaluation, ('run', 'instance'))}",
    "patterns": f"MATCH (p:Pattern) WHERE p.run IN $runs RETURN {returned('p', Pattern)}",
    "steps": "MATCH (p:Pattern)-[t:THROUGH]->(n:Node) WHERE p.run IN $runs "
    f"RETURN p.id AS pattern, n.id AS node, {returned('t', Step, ('pattern', 'node'))}",
}


@dataclass(frozen=True)
class Source:
    """Runs to be loaded: their records and measures, and the Parquet files of each shard table."""

    runs: Sequence[Run]
    measures: Sequence[Measure]
    files: Mapping[str, Sequence[Path]]

    def tables(self, name: str) -> Iterator[pa.Table]:
        """Yield a table piece by piece."""
        return pieces(self.files[name])


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
    """Return runs of a store as a source: what they own is exported to `staging`."""
    ids = [run.id for run in runs]
    files = export_files(old, _EXPORTS, {"runs": ids}, staging)
    return Source(runs, [measure for run in ids for measure in stored.measures(old, run)], files)


def export_files(
    old: Database, queries: Mapping[str, str], parameters: Mapping[str, Value], staging: Path
) -> dict[str, list[Path]]:
    """Write the rows of each query to a Parquet file in `staging`; return the files by the queries' names."""
    files = {name: staging / f"kept-{name}.parquet" for name in queries}
    for name, path in files.items():
        old.read(f"COPY ({queries[name]}) TO {_quoted(path)}", parameters)
    return {name: [path] for name, path in files.items()}


def pieces(paths: Iterable[Path]) -> Iterator[pa.Table]:
    """Yield Parquet files piece by piece."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group)


def load(
    database: Database,
    staging: Path,
    source: Source,
    *,
    full_graph: bool = False,
    progress: Progress | None = None,
) -> None:
    """Load runs that the database does not hold; raises IpgraphError if its counts do not add up."""
    before = counts(database)
    loading = _Loading(database, staging)
    added = {
        "Run": loading.copy_tables("Run", [to_table(Run, source.runs)], columns(Run)),
        "Instance": loading.copy_tables("Instance", _absent(database, source), columns(Instance)),
        "Measure": loading.copy_tables("Measure", [to_table(Measure, source.measures)], columns(Measure)),
        "Node": 0,
        "FLOWS_TO": 0,
    }
    for model in dict.fromkeys(run.model for run in source.runs):
        nodes, flows = loading.grow_graph(model, source, full_graph=full_graph)
        added["Node"] += nodes
        added["FLOWS_TO"] += flows
    loading.copy_own(source, progress)
    added["MEASURED"] = loading.copy_files("MEASURED", loading.written("Measure"), ("run", "id"))
    added |= dict.fromkeys(("Pattern", "PRODUCED", "HAS_PATTERN"), sum(run.patterns for run in source.runs))
    added["EVALUATED"] = sum(run.instances for run in source.runs)
    added["THROUGH"] = sum(run.steps for run in source.runs)
    for name, count in counts(database).items():
        if count != before[name] + added[name]:
            raise IpgraphError(f"{name}: {count} rows after loading, expected {before[name]} + {added[name]}")


def _absent(database: Database, source: Source) -> Iterator[pa.Table]:
    """Yield the instances that the database does not hold."""
    held = {str(row["id"]) for row in rows(database, "MATCH (i:Instance) RETURN i.id AS id")}
    for table in source.tables("instances"):
        ids = table["id"].to_pylist()
        yield table.filter(pa.array([name not in held for name in ids], pa.bool_()))
        held.update(ids)


@dataclass(frozen=True)
class _Loading:
    database: Database
    staging: Path

    def copy_files(self, name: str, paths: Sequence[Path], names: Iterable[str]) -> int:
        """COPY columns of Parquet files into a table; return how many rows they have."""
        count = int(sum(pq.read_metadata(path).num_rows for path in paths))
        if count:
            files = ", ".join(map(_quoted, paths))
            self.database.read(f"COPY {name} FROM (LOAD FROM [{files}] RETURN {', '.join(names)})")
        return count

    def copy_tables(self, name: str, tables: Iterable[pa.Table], names: Iterable[str]) -> int:
        """COPY Arrow tables into a table, by way of a file; return how many rows they have."""
        path = self.written(name)[0]
        writer = None
        for table in tables:
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        if writer is None:
            return 0
        writer.close()
        return self.copy_files(name, [path], names)

    def written(self, name: str) -> list[Path]:
        """Return where `copy_tables` puts what it copies."""
        return [self.staging / f"new-{name}.parquet"]

    def copy_own(self, source: Source, progress: Progress | None) -> None:
        """COPY what only these runs use."""
        done, total = 0, sum(run.patterns for run in source.runs)
        for start in range(0, len(source.files["patterns"]), SHARDS_A_COPY):
            for name, table, names in OWN:
                rows = self.copy_files(name, source.files[table][start : start + SHARDS_A_COPY], names)
                done += rows if name == "Pattern" else 0
            if progress:
                progress(done, total)

    def grow_graph(self, model: str, source: Source, *, full_graph: bool) -> tuple[int, int]:
        """Extend a model's graph to the longest sentence; return the numbers of new nodes and edges."""
        last = rows(
            self.database, "MATCH (n:Node {model: $model}) RETURN max(n.position) AS last", model=model
        )
        held = -1 if last[0]["last"] is None else last[0]["last"]
        own = [run for run in source.runs if run.model == model]
        layers, heads, positions = own[0].layers, own[0].heads, max(run.positions for run in own)
        due = [
            node for node in graph.nodes(model, layers, heads, positions) if held < 0 or node.position > held
        ]
        nodes = self.copy_tables("Node", [to_table(Node, due)], columns(Node))
        full = positions if full_graph else min(positions, graph.FULL_POSITIONS)
        flows = 0
        if full > held + 1:
            tables = graph.flow_tables(model, layers, heads, full, start=held + 1)
            flows += self.copy_tables("FLOWS_TO", tables, columns(Flow))
        if positions > full:
            ids = {run.id for run in own}
            flows += self.copy_tables("FLOWS_TO", [self._taken(source, ids, model, layers)], columns(Flow))
        return nodes, flows

    def _taken(self, source: Source, runs: set[str], model: str, layers: int) -> pa.Table:
        """Return the edges past FULL_POSITIONS that these runs take and the database does not hold."""
        own = pa.array(sorted(runs))
        found = (
            graph.taken_flows(table.filter(pc.is_in(table["run"], own)), model, layers, graph.FULL_POSITIONS)
            for table in source.tables("patterns")
        )
        taken = set(chain.from_iterable(found))
        candidates = self.staging / "taken.parquet"
        pq.write_table(_flows(taken), candidates)
        held = self.database.read(
            f"LOAD FROM {_quoted(candidates)} MATCH (a:Node)-[:FLOWS_TO]->(b:Node) "
            "WHERE a.id = source AND b.id = target RETURN source, target"
        )
        return _flows(taken - {(str(source), str(target)) for source, target in held.rows})


def _flows(pairs: set[tuple[str, str]]) -> pa.Table:
    ends = sorted(pairs)
    return pa.table([[pair[k] for pair in ends] for k in (0, 1)], schema=arrow_schema(Flow))


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"
