"""Loading runs into a Neo4j server, so that being killed anywhere and repeated gives the same graph.

1. A uniqueness constraint on every label's key, and the index by which templates find a run's patterns.
2. The Run, in state "loading" with `loaded` 0.
3. The computation graph, position by position: a position's nodes and edges share one transaction, so that
   the inputs that are there say how far the graph reaches.
4. Instances, evaluations and measures, merged by their keys.
5. Patterns with their steps, one row a pattern, in batches in the run directory's order. A batch's own
   transaction moves `loaded` from where it starts to where it ends, under a lock on the Run: a batch that was
   committed before (in a commit whose answer was lost, or by a second client) changes nothing.
6. State "complete", if everything is there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from typing import Any, TypeVar

import neo4j

from ipgraph.graphstore import graph
from ipgraph.graphstore.content import Row, pattern_batches
from ipgraph.graphstore.errors import IpgraphError
from ipgraph.graphstore.neo4j_connect import Connection
from ipgraph.graphstore.neo4j_remove import remove
from ipgraph.graphstore.runs import RunDirectory
from ipgraph.graphstore.schema import NODES, SCHEMA_VERSION, Measure, Node, Pattern, Run, columns

T = TypeVar("T")

BATCH_PATTERNS = 1000
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
MERGE (r)-[e:EVALUATED]->(i) SET e = row.properties
"""
_MEASURES = """
MATCH (r:Run {id: $run})
UNWIND $rows AS row
MERGE (m:Measure {id: row.id}) SET m = row
MERGE (r)-[:MEASURED]->(m)
"""
# Setting a property takes the Run's lock; only then is its state read.
_CLAIM = """
MATCH (r:Run {id: $run}) SET r.model = r.model
WITH r WHERE r.state = 'loading' AND r.loaded = $start
SET r.loaded = $end
RETURN r.id AS id
"""
# A batch's nodes are looked up once; a step then names its node by its place among them.
_PATTERNS = """
UNWIND range(0, size($nodes) - 1) AS place
MATCH (n:Node {id: $nodes[place]})
WITH n ORDER BY place
WITH collect(n) AS nodes WHERE size(nodes) = size($nodes)
MATCH (r:Run {id: $run})
UNWIND $rows AS row
MATCH (i:Instance {id: row.properties.instance})
CREATE (r)-[:PRODUCED]->(p:Pattern)<-[:HAS_PATTERN]-(i)
SET p = row.properties
WITH nodes, p, row
UNWIND range(0, size(row.places) - 1) AS step
WITH p, row, step, nodes[row.places[step]] AS n
CREATE (p)-[:THROUGH {step: step, influence: row.influences[step], margin: row.margins[step]}]->(n)
"""
_COMPLETE = """
MATCH (r:Run {id: $run})
WHERE r.state = 'loading' AND r.loaded = r.patterns
  AND COUNT { (r)-[:PRODUCED]->() } = r.patterns AND COUNT { (r)-[:EVALUATED]->() } = r.instances
SET r.state = 'complete'
"""

Report = Callable[[int], None]
"""Called with how many of a run's patterns are loaded."""


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
    return lacking + ["no index on Pattern(run, level)"] * (("Pattern", "run", "level") not in found)


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
    for rows in _blocks(_evaluation(row) for table in run.tables("evaluations") for row in table.to_pylist()):
        connection.write(_EVALUATIONS, run=run.id, rows=rows)
    load_measures(connection, run.id, run.measures())
    _load_patterns(connection, run, report)
    _complete(connection, run.id)
    return True


def load_measures(connection: Connection, run: str, measures: Iterable[Measure]) -> None:
    """Attach measures to a run, replacing those of the same id."""
    for rows in _blocks(asdict(measure) for measure in measures):
        connection.write(_MEASURES, run=run, rows=rows)


def progress_of(connection: Connection, run: str) -> tuple[str | None, int]:
    """Return a run's state (None if it is not there) and how many of its patterns are loaded."""
    text = "MATCH (r:Run {id: $run}) RETURN r.state AS state, r.loaded AS loaded"
    records = connection.read(text, {"run": run}).records
    return (records[0]["state"], records[0]["loaded"]) if records else (None, 0)


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


def _evaluation(row: Row) -> Row:
    kept = {name: value for name, value in row.items() if name not in ("run", "instance")}
    return {"instance": row["instance"], "properties": kept}


def _load_patterns(connection: Connection, run: RunDirectory, report: Report) -> None:
    loaded = end = _loaded(connection, run.id)
    for rows in _ahead(pattern_batches(run, BATCH_PATTERNS, end)):
        end += len(rows)
        while loaded < end:
            created = connection.transact(_creation(run.id, loaded, rows[loaded - end :]))
            loaded = end if created else _loaded(connection, run.id)
        report(end)


def _ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield items while the next is being made, so that reading a batch takes none of the server's time."""
    rest = iter(items)
    with ThreadPoolExecutor(1) as pool:
        due = pool.submit(next, rest, None)
        while (item := due.result()) is not None:
            due = pool.submit(next, rest, None)
            yield item


def _loaded(connection: Connection, run: str) -> int:
    state, loaded = progress_of(connection, run)
    if state not in ("loading", "complete"):
        raise IpgraphError(
            f"run {run} is being removed from {connection.location} by someone else: try again"
        )
    return loaded


def _creation(run: str, start: int, rows: list[Row]) -> Callable[[neo4j.ManagedTransaction], bool]:
    """Return the transaction that loads the patterns from `start` on, unless somebody else has."""
    nodes = sorted({node for row in rows for node in row["nodes"]})
    place = {node: k for k, node in enumerate(nodes)}
    sent = [
        {
            "properties": {name: row[name] for name in columns(Pattern)},
            "places": [place[node] for node in row["nodes"]],
            "influences": row["influences"],
            "margins": row["margins"],
        }
        for row in rows
    ]
    steps = sum(len(row["nodes"]) for row in rows)

    def work(transaction: neo4j.ManagedTransaction) -> bool:
        if transaction.run(_CLAIM, run=run, start=start, end=start + len(rows)).single() is None:
            return False
        made = transaction.run(_PATTERNS, run=run, nodes=nodes, rows=sent).consume().counters
        if (made.nodes_created, made.relationships_created) != (len(rows), 2 * len(rows) + steps):
            raise IpgraphError(
                f"run {run}: patterns from row {start} on have an instance or a node that the store lacks: "
                "someone else is removing them, or the run directory is damaged"
            )
        return True

    return work


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
