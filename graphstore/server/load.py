"""Loading runs into a Neo4j server, so that being killed anywhere and repeated gives the same graph.

1. A uniqueness constraint on every label's key, and the indexes by which a run's patterns and contributions
   are found.
2. The Run, in state "loading" with `loaded` 0.
3. The computation graph, position by position: a position's nodes and edges share one transaction, so that
   the inputs that are there say how far the graph reaches.
4. Measures and what else is not patterns (instances, predictions), merged by their keys.
   Contributions, batch by batch (see `edges`).
5. Patterns with their steps, batch by batch (see `patterns`).
6. State "complete", if everything is there.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from ipgraph.graphstore.common.blocks import blocks
from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.runs.content import Row
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import graph, tables
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.schema.records import SCHEMA_VERSION, Measure, Node, Run
from ipgraph.graphstore.schema.tables import Table
from ipgraph.graphstore.server.connection import Connection
from ipgraph.graphstore.server.edges import load_edges
from ipgraph.graphstore.server.errors import TooLargeError
from ipgraph.graphstore.server.foreign import require_own
from ipgraph.graphstore.server.patterns import Report, load_patterns, progress_of
from ipgraph.graphstore.server.remove import remove

BATCH_ROWS = 1000
_INDEXES = {
    "pattern_run_level": "(e:Pattern) ON (e.run, e.level)",
    "contributes_run": "()-[e:CONTRIBUTES]-() ON (e.run)",
}
"""What finds a run's patterns and contributions."""

_RUN = "MERGE (r:Run {id: $id}) ON CREATE SET r = $properties"
_GRAPH = """
UNWIND $nodes AS row
MERGE (n:Node {id: row.id}) ON CREATE SET n = row
WITH count(*) AS nodes
UNWIND $flows AS row
MATCH (a:Node {id: row.source})
UNWIND row.targets AS target
MATCH (b:Node {id: target})
MERGE (a)-[:FLOWS_TO]->(b)
"""
_NODES = "UNWIND $rows AS row MERGE (n:Node {id: row.id}) ON CREATE SET n = row"
_FLOWS = """
UNWIND $rows AS row
MATCH (a:Node {id: row.source})
UNWIND row.targets AS target
MATCH (b:Node {id: target})
MERGE (a)-[:FLOWS_TO]->(b)
"""
_MEASURES = """
UNWIND $rows AS row
MERGE (m:Measure {id: row.id}) SET m = row
WITH m UNWIND m.runs AS run
MATCH (r:Run {id: run})
MERGE (r)-[:MEASURED]->(m)
"""
_LINK_MEASURES = "MATCH (r:Run {id: $run}) MATCH (m:Measure) WHERE $run IN m.runs MERGE (r)-[:MEASURED]->(m)"
_COMPLETE = """
MATCH (r:Run {id: $run})
WHERE r.state = 'loading' AND r.loaded = r.patterns AND COUNT { (r)-[:PRODUCED]->() } = r.patterns
SET r.state = 'complete'
"""


def prepare(connection: Connection) -> None:
    """Make the constraints and indexes, wait until they serve; raises UsageError beside foreign data."""
    require_own(connection)
    for table in tables.nodes():
        label, name = table.name, f"{table.name.lower()}_id"
        connection.write(f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR (n:{label}) REQUIRE n.id IS UNIQUE")
    for name, text in _INDEXES.items():
        connection.write(f"CREATE INDEX {name} IF NOT EXISTS FOR {text}")
    connection.write("CALL db.awaitIndexes(300)")
    if lacking := unprepared(connection):
        raise UsageError(f"{connection.location}: {lacking[0]}, since another one has its name; drop that")


def unprepared(connection: Connection) -> list[str]:
    """Return which constraints and indexes are missing."""
    indexed = "SHOW INDEXES YIELD labelsOrTypes, properties, state, owningConstraint WHERE state = 'ONLINE' "
    rows = connection.read(indexed + "RETURN labelsOrTypes, properties, owningConstraint").records
    owners = {
        (*(row["labelsOrTypes"] or ()), *(row["properties"] or ())): row["owningConstraint"] for row in rows
    }
    labels = [table.name for table in tables.nodes()]
    lacking = [f"no uniqueness constraint on {label}.id" for label in labels if not owners.get((label, "id"))]
    lacking += ["no index on Pattern(run, level)"] * (("Pattern", "run", "level") not in owners)
    lacking += ["no index on CONTRIBUTES(run)"] * (("CONTRIBUTES", "run") not in owners)
    return [f"{what}: the next `ipgraph ingest run` makes it" for what in lacking]


def load(connection: Connection, run: RunDirectory, report: Report) -> bool:
    """Load a run, from wherever an earlier loading stopped; return whether it was not complete before.

    Raises UsageError if the run directory is not complete.
    """
    record = run.run
    state, _ = progress_of(connection, run.id)
    if state == "complete":
        return False
    if state == "removing":
        remove(connection, run.id)
    begin = asdict(record) | {"state": "loading", "loaded": 0, "schema_version": SCHEMA_VERSION}
    connection.write(_RUN, id=run.id, properties=begin)
    _load_graph(connection, record)
    _load_edges_taken(connection, run)
    for table in _merged():
        for rows in blocks((row for part in run.tables(table.file) for row in part.to_pylist()), BATCH_ROWS):
            connection.write_rows(_merge(table), [_row(table, row) for row in rows])
    for table in _edges():
        load_edges(connection, table, run)
    load_measures(connection, run.measures())
    connection.write(_LINK_MEASURES, run=run.id)
    load_patterns(connection, run, report)
    _complete(connection, record)
    return True


def _merged() -> list[Table]:
    """Return the tables that are merged row by row: all that shards hold but patterns and their steps."""
    return [t for t in tables.filed() if not t.derived and t.name not in tables.PATTERN_TABLES]


def _edges() -> list[Table]:
    """Return the tables of what a run says of the computation graph's nodes."""
    return [table for table in tables.filed() if table.derived]


def _merge(table: Table) -> str:
    """Return the statement that merges `$rows` of a table (see `_row`)."""
    if table.ends is None:
        return f"UNWIND $rows AS row MERGE (n:{table.name} {{id: row.id}}) ON CREATE SET n = row"
    source, target = (end.__name__ for end in table.ends)
    apart = ", ".join(f"{name}: row.properties.{name}" for name in table.apart)
    return (
        f"UNWIND $rows AS row MATCH (a:{source} {{id: row.source}}) MATCH (b:{target} {{id: row.target}}) "
        f"MERGE (a)-[e:{table.name} {{{apart}}}]->(b) SET e = row.properties"
    )


def _row(table: Table, row: Row) -> Row:
    if table.ends is None:
        return row
    source, target = table.keys
    properties = {name: row[name] for name in table.properties}
    return {"source": row[source], "target": row[target], "properties": properties}


def load_measures(connection: Connection, measures: Iterable[Measure]) -> None:
    """Attach measures to those of their runs that are there; replace those of the same id."""
    for rows in blocks(map(asdict, measures), BATCH_ROWS):
        connection.write_rows(_MEASURES, rows)


def _load_graph(connection: Connection, run: Run) -> None:
    """Extend the model's computation graph to the run's positions."""
    text = "MATCH (n:Node {model: $model, kind: 'input'}) RETURN max(n.position) AS last"
    last = connection.read(text, {"model": run.model}).records[0]["last"]
    start = 0 if last is None else last + 1
    shape = GraphShape.from_json(run.graph)
    by_position: dict[int, list[Node]] = {position: [] for position in range(run.positions)}
    for node in graph.nodes(run.model, shape, run.positions):
        by_position[max(node.position, 0)].append(node)
    for position in range(start, run.positions):
        flows = _flows_at(run, position) if position < graph.FULL_POSITIONS else []
        _write_position(connection, by_position[position], flows)


def _write_position(connection: Connection, nodes: Sequence[Node], flows: Sequence[Row]) -> None:
    """Write a position's nodes and edges in one transaction, or if that is too large in several.

    Then the inputs, which say that the position is there, are in the last one.
    """
    try:
        connection.write(_GRAPH, nodes=[asdict(node) for node in nodes], flows=flows)
    except TooLargeError:
        inputs = [asdict(node) for node in nodes if node.kind == "input"]
        connection.write_rows(_NODES, [asdict(node) for node in nodes if node.kind != "input"])
        first = {node["id"] for node in inputs}
        connection.write_rows(_FLOWS, _apart([row for row in flows if row["source"] not in first]))
        connection.write(_GRAPH, nodes=inputs, flows=[row for row in flows if row["source"] in first])


def _apart(flows: Iterable[Row]) -> list[Row]:
    """Return a row for each edge."""
    return [{"source": row["source"], "targets": [end]} for row in flows for end in row["targets"]]


def load_far_edges(connection: Connection, run: Run) -> None:
    """Add every edge past FULL_POSITIONS, up to the run's positions."""
    for position in range(graph.FULL_POSITIONS, run.positions):
        connection.write_rows(_FLOWS, _flows_at(run, position))


def _flows_at(run: Run, position: int) -> list[Row]:
    """Return the edges whose later end is at a position, a row for each source."""
    shape = GraphShape.from_json(run.graph)
    pairs = (
        pair
        for table in graph.flow_tables(run.model, shape, position + 1, start=position)
        for pair in zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True)
    )
    return _by_source(pairs)


def _load_edges_taken(connection: Connection, run: RunDirectory) -> None:
    """Add the edges past FULL_POSITIONS that the run's patterns take."""
    record = run.run
    if record.positions <= graph.FULL_POSITIONS:
        return
    shape = GraphShape.from_json(record.graph)
    for table in run.tables("patterns"):
        flows = graph.taken_flows(table, record.model, shape, graph.FULL_POSITIONS)
        connection.write_rows(_FLOWS, _by_source(flows))


def _by_source(pairs: Iterable[tuple[str, str]]) -> list[Row]:
    targets: dict[str, list[str]] = {}
    for source, target in pairs:
        targets.setdefault(source, []).append(target)
    return [{"source": source, "targets": ends} for source, ends in targets.items()]


def _complete(connection: Connection, run: Run) -> None:
    """Declare a run complete, if all of it is there; patterns were counted as they came."""
    due = json.loads(run.rows)
    for table in (*_merged(), *_edges()):
        text = f"{table.match} WHERE {table.of_runs} RETURN count(*) AS n"
        number = connection.read(text, {"runs": [run.id]}).records[0]["n"]
        if number != due[table.file]:
            raise _not_whole(connection, run, f"{number} of {due[table.file]} rows of {table.name}")
    connection.write(_COMPLETE, run=run.id)
    state, loaded = progress_of(connection, run.id)
    if state != "complete":
        raise _not_whole(connection, run, f"state {state!r}, {loaded} of {run.patterns} patterns")


def _not_whole(connection: Connection, run: Run, what: str) -> IpgraphError:
    where = f"run {run.id} is not whole in {connection.location} after loading"
    return IpgraphError(f"{where} ({what}): remove it and load it again")
