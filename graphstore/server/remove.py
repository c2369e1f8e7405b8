"""Removing a run from a Neo4j server in bounded transactions; an interrupted removal can be repeated.

The Run turns to state "removing" first and goes last, so that what is left of it can always be found.
"""

from collections.abc import Callable

from ipgraph.graphstore.server.connection import Connection

BATCH_PATTERNS = 1000
BATCH_INSTANCES = 5000

_MARK = "MATCH (r:Run {id: $run}) SET r.state = 'removing', r.loaded = -1"
_PATTERNS = "MATCH (:Run {id: $run})-[:PRODUCED]->(p:Pattern) WITH p LIMIT $size DETACH DELETE p"
_MEASURES = """
MATCH (:Run {id: $run})-[e:MEASURED]->(m:Measure)
DELETE e
WITH m WHERE NOT EXISTS { (:Run)-[:MEASURED]->(m) }
DETACH DELETE m
"""
_INSTANCES = """
MATCH (:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WITH e, i LIMIT $size
DELETE e
WITH i WHERE NOT EXISTS { (:Run)-[:PREDICTED]->(i) }
DETACH DELETE i
"""
_REACH = """
MATCH (own:Run {id: $run})
OPTIONAL MATCH (other:Run {model: own.model}) WHERE other <> own
WITH own.model AS model, coalesce(max(other.positions), 0) AS needed
OPTIONAL MATCH (n:Node {model: model})
RETURN model, needed, max(n.position) AS last
"""
# The output has position -1 and leaves with position 0.
_POSITION = """
MATCH (n:Node {model: $model})
WHERE n.position = $position OR ($position = 0 AND n.position < 0)
DETACH DELETE n
"""
_RUN = "MATCH (r:Run {id: $run}) DETACH DELETE r"


def remove(connection: Connection, run: str, report: Callable[[int], None] | None = None) -> None:
    """Delete a run with its patterns and measures, and the instances and graph positions only it used.

    `report` is called with how many patterns are gone.
    """
    connection.write(_MARK, run=run)
    gone = 0
    while deleted := connection.write(_PATTERNS, run=run, size=BATCH_PATTERNS).nodes_deleted:
        gone += deleted
        if report:
            report(gone)
    connection.write(_MEASURES, run=run)
    while connection.write(_INSTANCES, run=run, size=BATCH_INSTANCES).relationships_deleted:
        pass
    _shrink_graph(connection, run)
    connection.write(_RUN, run=run)


def _shrink_graph(connection: Connection, run: str) -> None:
    """Take away the positions of the model's graph that no other run needs, the last first.

    A position leaves in one transaction, so that the graph always reaches as far as its inputs do.
    """
    for row in connection.read(_REACH, {"run": run}).records:
        last = -1 if row["last"] is None else row["last"]
        for position in range(last, row["needed"] - 1, -1):
            connection.write(_POSITION, model=row["model"], position=position)
