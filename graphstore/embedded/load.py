"""Loading into the embedded store: COPY from Parquet files, by column name, and only of keys that are absent.

What one run owns is copied straight from its files. Instances and computation graphs are shared between runs:
those are first written to files that hold only what the store does not. Measures are merged by their ids.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.embedded import source as ladybug_source
from ipgraph.graphstore.embedded.file import Database
from ipgraph.graphstore.embedded.source import Source, absent_rows, quoted, row_count
from ipgraph.graphstore.schema import graph, tables
from ipgraph.graphstore.schema.arrow import arrow_schema, to_table
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.schema.records import Flow, Measure, Node, Run, columns
from ipgraph.graphstore.schema.tables import Table
from ipgraph.graphstore.store.protocol import Progress
from ipgraph.graphstore.store.reading import counts, rows, shapes


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
    added = Counter(Run=loading.copy_tables("Run", [to_table(Run, source.runs)], columns(Run)))
    for table in tables.filed():
        if table.owner == "all":
            ids = rows(database, f"{table.match} RETURN n.id AS id")
            absent = absent_rows(source, table.file, {str(row["id"]) for row in ids})
            added[table.name] = loading.copy_tables(table.name, absent, table.names)
    for model in dict.fromkeys(run.model for run in source.runs):
        nodes, flows = loading.grow_graph(model, source, full_graph=full_graph)
        added["Node"] += nodes
        added["FLOWS_TO"] += flows
    loading.copy_own(source, progress)
    due = [json.loads(run.rows) for run in source.runs]
    added.update({table.name: sum(numbers[table.file] for numbers in due) for table in _own()})
    merge_measures(database, source.measures)
    counted = counts(database)
    for table in tables.TABLES:
        name = table.name
        if table.owner != "several" and (count := counted[name]) != before[name] + added[name]:
            raise IpgraphError(f"{name}: {count} rows after loading, expected {before[name]} + {added[name]}")


def _own() -> list[Table]:
    """Return the tables that are copied from files and belong to one run."""
    return [table for table in tables.filed() if table.owner == "run"]


def merge_measures(database: Database, measures: Iterable[Measure]) -> None:
    """Attach measures, and those that are there, to their runs; replace those of the same id."""
    rows = [asdict(measure) for measure in measures]
    if rows:
        fields = ", ".join(f"m.{name} = row.{name}" for name in columns(Measure) if name != "id")
        text = f"UNWIND $rows AS row MERGE (m:Measure {{id: row.id}}) SET {fields}"
        database.read(text, {"rows": rows})  # type: ignore[dict-item]
    database.read("MATCH (r:Run) MATCH (m:Measure) WHERE r.id IN m.runs MERGE (r)-[:MEASURED]->(m)")


@dataclass(frozen=True)
class _Loading:
    database: Database
    staging: Path

    def copy_files(self, name: str, paths: Sequence[Path], names: Iterable[str]) -> int:
        """COPY columns of Parquet files into a table; return how many rows they have."""
        count = sum(map(row_count, paths))
        if count:
            files = ", ".join(map(quoted, paths))
            self.database.read(f"COPY {name} FROM (LOAD FROM [{files}] RETURN {', '.join(names)})")
        return count

    def copy_tables(self, name: str, tables: Iterable[pa.Table], names: Iterable[str]) -> int:
        """COPY Arrow tables into a table, by way of a file; return how many rows they have."""
        count = 0
        for part in _parts(tables, ladybug_source.ROWS_A_COPY):
            path = self.staging / f"new-{name}.parquet"
            pq.write_table(part, path)
            count += self.copy_files(name, [path], names)
        return count

    def copy_own(self, source: Source, progress: Progress | None) -> None:
        """COPY what only these runs use."""
        done, total = 0, sum(run.patterns for run in source.runs)
        for part in source.parts():
            for table in (table for table in _own() if table.file in part):
                copied = self.copy_files(table.name, part[table.file], table.names)
                done += copied if table.name == "Pattern" else 0
            if progress:
                progress(done, total)

    def grow_graph(self, model: str, source: Source, *, full_graph: bool) -> tuple[int, int]:
        """Extend a model's graph to the longest sentence; return the numbers of new nodes and edges."""
        last = rows(
            self.database, "MATCH (n:Node {model: $model}) RETURN max(n.position) AS last", model=model
        )
        reached = -1 if last[0]["last"] is None else last[0]["last"]
        runs = [run for run in source.runs if run.model == model]
        shape, positions = shapes(runs)[model]
        whole = graph.nodes(model, shape, positions)
        due = [node for node in whole if reached < 0 or node.position > reached]
        nodes = self.copy_tables("Node", [to_table(Node, due)], columns(Node))
        reach = max(graph.FULL_POSITIONS, source.whole.get(model, 0))
        full = positions if full_graph else min(positions, reach)
        flows = 0
        if full > reached + 1:
            edges = graph.flow_tables(model, shape, full, start=reached + 1)
            flows += self.copy_tables("FLOWS_TO", edges, columns(Flow))
        if positions > full:
            taken = self._taken(source, {run.id for run in runs}, model, shape)
            flows += self.copy_tables("FLOWS_TO", [taken], columns(Flow))
        return nodes, flows

    def _taken(self, source: Source, runs: set[str], model: str, shape: GraphShape) -> pa.Table:
        """Return the edges past FULL_POSITIONS that these runs take and the database does not hold."""
        ids = pa.array(sorted(runs))
        taken = set(
            chain.from_iterable(
                graph.taken_flows(
                    table.filter(pc.is_in(table["run"], ids)), model, shape, graph.FULL_POSITIONS
                )
                for table in source.tables("patterns")
            )
        )
        candidates = self.staging / "taken.parquet"
        pq.write_table(_flows(taken), candidates)
        stored = self.database.read(
            f"LOAD FROM {quoted(candidates)} MATCH (a:Node)-[:FLOWS_TO]->(b:Node) "
            "WHERE a.id = source AND b.id = target RETURN source, target"
        )
        return _flows(taken - {(str(source), str(target)) for source, target in stored.rows})


def _parts(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Join tables until they have `size` rows, and yield what is joined."""
    joined: list[pa.Table] = []
    for table in tables:
        joined.append(table)
        if sum(part.num_rows for part in joined) >= size:
            yield pa.concat_tables(joined)
            joined = []
    if joined:
        yield pa.concat_tables(joined)


def _flows(pairs: set[tuple[str, str]]) -> pa.Table:
    ends = sorted(pairs)
    return pa.table([[pair[k] for pair in ends] for k in (0, 1)], schema=arrow_schema(Flow))
