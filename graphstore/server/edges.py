"""Loading a run's edges between nodes of the computation graph into a Neo4j server.

Merging them one by one takes four times as long as creating them. So they are created in the order of the run
directory, in batches, and how many are there says where the next batch starts: a batch's own transaction
counts them under a lock on the Run, and does nothing where another loading has come further.
"""

import logging

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs.content import Row
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.tables import Table
from ipgraph.graphstore.server.connection import Connection
from ipgraph.graphstore.server.errors import TooLargeError

log = logging.getLogger(__name__)

BATCH_EDGES = 5000

_COUNT = "MATCH (:Node)-[e:{0}]->(:Node) WHERE e.run = $run RETURN count(*) AS n"
# Setting a property takes the Run's lock; only then are its edges counted.
_CREATE = """
MATCH (r:Run {{id: $run}}) SET r.model = r.model
WITH r WHERE r.state = 'loading'
  AND COUNT {{ MATCH (:Node)-[e:{0}]->(:Node) WHERE e.run = $run }} = $start
UNWIND range(0, size($nodes) - 1) AS place
MATCH (n:Node {{id: $nodes[place]}})
WITH n ORDER BY place
WITH collect(n) AS nodes WHERE size(nodes) = size($nodes)
UNWIND range(0, size($rows.source) - 1) AS k
WITH k, nodes[$rows.source[k]] AS a, nodes[$rows.target[k]] AS b
CREATE (a)-[:{0} {{{1}}}]->(b)
"""


def load_edges(connection: Connection, table: Table, run: RunDirectory) -> None:
    """Load a table of edges of a run that is in state "loading", from wherever an earlier loading stopped.

    Batches that take too much of the server's memory are halved. Raises IpgraphError where the store lacks a
    node, or somebody removes the run.
    """
    rows = [row for part in run.tables(table.file) for row in part.to_pylist()]
    size = BATCH_EDGES
    while (start := _loaded(connection, table, run.id)) < len(rows):
        try:
            _load_batch(connection, table, run.id, start, rows[start : start + size])
        except TooLargeError:
            if size == 1:
                raise
            size //= 2
            log.warning("%s takes no larger batches than %d edges", connection.location, size)


def _loaded(connection: Connection, table: Table, run: str) -> int:
    return int(connection.read(_COUNT.format(table.name), {"run": run}).records[0]["n"])


def _load_batch(connection: Connection, table: Table, run: str, start: int, rows: list[Row]) -> None:
    source, target = table.keys
    nodes = list(dict.fromkeys(row[key] for row in rows for key in (source, target)))
    places = {node: place for place, node in enumerate(nodes)}
    sent = {name: [row[name] for row in rows] for name in table.properties}
    for name, key in (("source", source), ("target", target)):
        sent[name] = [places[row[key]] for row in rows]
    properties = ", ".join(f"{name}: $rows.{name}[k]" for name in table.properties)
    text = _CREATE.format(table.name, properties)
    made = connection.write(text, run=run, start=start, nodes=nodes, rows=sent)
    if not made.relationships_created and _loaded(connection, table, run) == start:
        raise IpgraphError(
            f"run {run}: {table.file} from row {start} on have a node that the store lacks: someone else is "
            "removing it, or the run directory is damaged"
        )
