"""Loading runs into a Neo4j server, so that being killed anywhere and repeated gives the same graph.

1. A uniqueness constraint on every label's key, and the index by which templates find a run's patterns.
2. The Run, in state "loading" with `loaded` 0.
3. The computation graph, position by position: a position's nodes and edges share one transaction, so that
   the inputs that are there say how far the graph reaches.
4. Instances, predictions and measures, merged by their keys.
5. Patterns with their steps, batch by batch (see neo4j_patterns).
6. State "complete", if everything is there.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs.content import Row
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.records import NODES, SCHEMA_VERSION, Measure, Node, Run
from ipgraph.graphstore.server.connection import Connection
from ipgraph.graphstore.server.patterns import Report, load_patterns, progress_of
from ipgraph.graphstore.server.remove import remove

BATCH_ROWS = 1000
PATTERN_INDEX = "pattern_run_level"

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
_INSTANCES = "UNWIND $rows AS row MERGE (i:Instance {id: row.id}) ON CREATE SET i = row"
_EVALUATIONS = """
MATCH (r:Run {id: $run})
UNWIND $rows AS row
MATCH (i:Instance {id: row.instance})
MERGE (r)-[e:PREDICTED]->(i) SET e = row.properties
"""
_MEASURES = """
UNWIND $rows AS row
MERGE (m:Measure {id: row.id}) SET m = row
"""
_LINK_MEASURES = "MATCH (r:Run) MATCH (m:Measure) WHERE r.id IN m.runs MERGE (r)-[:MEASURED]->(m)"
_COMPLETE = """
MATCH (r:Run {id: $run})
WHERE r.state = 'loading' AND r.loaded = r.patterns
  AND COUNT { (r)-[:PRODUCED]->() } = r.patterns AND COUNT { (r)-[:PREDICTED]->() } = r.instances
SET r.state = 'complete'
"""


def prepare(connection: Connection) -> None:
    """Make the constraints and the index, and wait until they serve."""
    for record in NODES:
        label = record.__name__
        name = f"{label.lower()}_id"
        connection.write(f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR (n:{label}) REQUIRE n.id IS UNIQUE")
    connection.write(f"CREATE INDEX {PATTERN_INDEX} IF NOT EXISTS FOR (p:Pattern) ON (p.run, p.level)")
    connection.write("CALL db.awaitIndexes(300)")


def unprepared(connection: Connection) -> list[str]:
    """Return which constraints and index are missing."""
    indexed = "SHOW INDEXES YIELD labelsOrTypes, properties, state, owningConstraint WHERE state = 'ONLINE' "
    rows = connection.read(indexed + "RETURN labelsOrTypes, properties, owningConstraint").records
    found = {
        (*(row["labelsOrTypes"] or ()), *(row["properties"] or ())): row["owningConstraint"] for row in rows
    }
    lacking = [
        f"no uniqueness constraint on {r.__name__}.id" for r in NODES if not found.get((r.__name__, "id"))
    ]
    lacking += ["no index on Pattern(run, level)"] * (("Pattern", "run", "level") not in found)
    return [f"{what}: the next `ipgraph store push` makes it" for what in lacking]


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
    for rows in _blocks(row for table in run.tables("instances") for row in table.to_pylist()):
        connection.write(_INSTANCES, rows=rows)
    for rows in _blocks(_prediction(row) for table in run.tables("predictions") for row in table.to_pylist()):
        connection.write(_EVALUATIONS, run=run.id, rows=rows)
    load_measures(connection, run.measures())
    load_patterns(connection, run, report)
    _complete(connection, run.id)
    return True


def load_measures(connection: Connection, measures: Iterable[Measure]) -> None:
    """Attach measures, and those that are there, to their runs; replace those of the same id."""
    for rows in _blocks(asdict(measure) for measure in measures):
        connection.write(_MEASURES, rows=rows)
    connection.write(_LINK_MEASURES)


def _load_graph(connection: Connection, run: Run) -> None:
    """Extend the model's computation graph to the run's positions."""
    text = "MATCH (n:Node {model: $model, kind: 'input'}) RETURN max(n.position) AS last"
    last = connection.read(text, {"model": run.model}).records[0]["last"]
    start = 0 if last is None else last + 1
    by_position: dict[int, list[Node]] = {position: [] for position in range(run.positions)}
    for node in graph.nodes(run.model, run.layers, run.heads, run.positions):
        by_position[max(node.position, 0)].append(node)
    for position in range(start, run.positions):
        nodes = [asdict(node) for node in by_position[position]]
        flows = _flows_at(run, position) if position < graph.FULL_POSITIONS else []
        connection.write(_GRAPH, nodes=nodes, flows=flows)


def load_far_edges(connection: Connection, run: Run) -> None:
    """Add every edge past FULL_POSITIONS, up to the run's positions."""
    for position in range(graph.FULL_POSITIONS, run.positions):
        connection.write(_GRAPH, nodes=[], flows=_flows_at(run, position))


def _flows_at(run: Run, position: int) -> list[Row]:
    """Return the edges whose later end is at a position, a row for each source."""
    pairs = (
        pair
        for table in graph.flow_tables(run.model, run.layers, run.heads, position + 1, start=position)
        for pair in zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True)
    )
    return _by_source(pairs)


def _load_edges_taken(connection: Connection, run: RunDirectory) -> None:
    """Add the edges past FULL_POSITIONS that the run's patterns take."""
    record = run.run
    if record.positions <= graph.FULL_POSITIONS:
        return
    for table in run.tables("patterns"):
        flows = graph.taken_flows(table, record.model, record.layers, graph.FULL_POSITIONS)
        connection.write(_GRAPH, nodes=[], flows=_by_source(flows))


def _by_source(pairs: Iterable[tuple[str, str]]) -> list[Row]:
    targets: dict[str, list[str]] = {}
    for source, target in pairs:
        targets.setdefault(source, []).append(target)
    return [{"source": source, "targets": ends} for source, ends in targets.items()]


def _prediction(row: Row) -> Row:
    kept = {name: value for name, value in row.items() if name not in ("run", "instance")}
    return {"instance": row["instance"], "properties": kept}


def _complete(connection: Connection, run: str) -> None:
    """Declare a run complete, if all of it is there."""
    connection.write(_COMPLETE, run=run)
    state, loaded = progress_of(connection, run)
    if state != "complete":
        raise IpgraphError(
            f"run {run} is not whole in {connection.location} after loading "
            f"(state {state!r}, {loaded} patterns): remove it and load it again"
        )


def _blocks(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    rest = iter(rows)
    while block := list(islice(rest, BATCH_ROWS)):
        yield block
