"""Removing a run from a Neo4j server in bounded transactions; an interrupted removal can be repeated.

The Run turns to state "removing" first and goes last, so that what is left of it can always be found.
"""

from collections.abc import Callable, Iterator

from neo4j import SummaryCounters

from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.tables import Table
from ipgraph.graphstore.server.connection import Connection
from ipgraph.graphstore.server.errors import TooLargeError

BATCH_PATTERNS = 1000
BATCH_ROWS = 5000

_OWNED = "MATCH (:Run {{id: $run}})-[:{0}]->(n:{1}) WITH n LIMIT $size DETACH DELETE n"
_SHARED = """
MATCH (:Run {{id: $run}})-[e:{0}]->(n:{1})
WITH e, n LIMIT $size
DELETE e
WITH n WHERE NOT EXISTS {{ (:Run)-[:{0}]->(n) }}
DETACH DELETE n
"""
_MARK = "MATCH (r:Run {id: $run}) SET r.state = 'removing', r.loaded = -1"
_REACH = """
MATCH (own:Run {id: $run})
OPTIONAL MATCH (other:Run {model: own.model}) WHERE other <> own
WITH own.model AS model, coalesce(max(other.positions), 0) AS needed
OPTIONAL MATCH (n:Node {model: model})
RETURN model, needed, max(n.position) AS last
"""
# The output has position -1 and leaves with position 0; inputs say how far the graph reaches and go first.
_POSITION = """
MATCH (n:Node {model: $model})
WHERE n.position = $position OR ($position = 0 AND n.position < 0)
WITH n ORDER BY n.layer LIMIT $size
DETACH DELETE n
"""
_RUN = "MATCH (r:Run {id: $run}) DETACH DELETE r"


def remove(connection: Connection, run: str, report: Callable[[int], None] | None = None) -> None:
    """Delete a run with what is its own, and the instances, measures and graph positions that only it used.

    `report` is called with how many patterns are gone.
    """
    connection.write(_MARK, run=run)
    for table in tables.relationships():
        if table.owner == "run" and not _goes_with_nodes(table):
            text = f"{table.match} WHERE {table.of_runs} WITH e LIMIT $size DELETE e"
            for _ in _repeated(connection, text, BATCH_ROWS, runs=[run]):
                pass
    linked = [table for table in tables.nodes() if table.link]
    for table in sorted(linked, key=lambda table: table.owner != "run"):
        _remove_nodes(connection, table, run, report if table.name == "Pattern" else None)
    _shrink_graph(connection, run)
    connection.write(_RUN, run=run)


def _repeated(
    connection: Connection, text: str, size: int, **parameters: object
) -> Iterator[SummaryCounters]:
    """Repeat a deletion of `$size` rows until none is left, of half as many where memory is too small."""
    while True:
        try:
            changed = connection.write(text, size=size, **parameters)
        except TooLargeError:
            if size == 1:
                raise
            size //= 2
            continue
        if not changed.contains_updates:
            return
        yield changed


def _goes_with_nodes(table: Table) -> bool:
    """Tell whether a run's relationships go with nodes of the run, or lead to nodes to be removed."""
    linked = [label for label in tables.nodes() if label.link]
    owned = {label.record for label in linked if label.owner == "run"}
    return bool(owned & set(table.ends or ())) or table.name in {label.link for label in linked}


def _remove_nodes(
    connection: Connection, table: Table, run: str, report: Callable[[int], None] | None
) -> None:
    owned = table.owner == "run"
    text = (_OWNED if owned else _SHARED).format(table.link, table.name)
    gone = 0
    for changed in _repeated(connection, text, BATCH_PATTERNS if owned else BATCH_ROWS, run=run):
        gone += changed.nodes_deleted
        if report:
            report(gone)


def _shrink_graph(connection: Connection, run: str) -> None:
    """Take away the positions of the model's graph that no other run needs, the last first.

    A position leaves in one transaction where the server's memory allows, else its inputs first: so the graph
    always reaches as far as its inputs do.
    """
    for row in connection.read(_REACH, {"run": run}).records:
        last = -1 if row["last"] is None else row["last"]
        for position in range(last, row["needed"] - 1, -1):
            for _ in _repeated(connection, _POSITION, BATCH_ROWS, model=row["model"], position=position):
                pass
