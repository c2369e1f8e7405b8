"""Loading a run's patterns into a Neo4j server, in batches in the run directory's order.

A batch's own transaction creates its patterns and then moves the Run's `loaded` from where the batch starts
to where it ends, under a lock on the Run. So whole batches are committed, in order and once: where `loaded`
is elsewhere (a second client loads too, a commit took place whose answer was lost, the batch before failed)
the transaction is undone, and the loading goes on from what `loaded` says.

Committing takes a server longer than creating. So two transactions are under way: one commits while the next
one's patterns are created. They meet at the lock on the Run, where the server sees who waits for whom; they
share no Instance, whose lock would keep the second from beginning.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from neo4j.exceptions import ConstraintError

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs.content import lists_like, pattern_batches
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.records import Pattern, columns
from ipgraph.graphstore.server.connection import Connection, Transaction
from ipgraph.graphstore.server.errors import TooLargeError

log = logging.getLogger(__name__)

BATCH_PATTERNS = 1000
_UNDER_WAY = 2
INTERRUPT_WAIT = 5.0
"""Seconds that an interrupted loading waits for the batches under way."""

_SENT = [name for name in columns(Pattern) if name not in ("run", "path")]
# A batch comes by columns, which are sent and read faster than a map a row. Its nodes are looked up once; a
# step then names its node by its place among them.
_PATTERNS = f"""
UNWIND range(0, size($nodes) - 1) AS place
MATCH (n:Node {{id: $nodes[place]}})
WITH n ORDER BY place
WITH collect(n) AS nodes WHERE size(nodes) = size($nodes)
MATCH (r:Run {{id: $run}})
UNWIND range(0, size($rows.id) - 1) AS k
MATCH (i:Instance {{id: $rows.instance[k]}})
CREATE (r)-[:PRODUCED]->(p:Pattern {{
  run: $run, path: [place IN $rows.places[k] | $nodes[place]],
  {", ".join(f"{name}: $rows.{name}[k]" for name in _SENT)}
}})<-[:HAS_PATTERN]-(i)
WITH nodes, p, $rows.places[k] AS places, $rows.influences[k] AS influences, $rows.margins[k] AS margins,
     $rows.runner_ups[k] AS runner_ups
UNWIND range(0, size(places) - 1) AS step
WITH p, step, influences[step] AS influence, margins[step] AS margin, runner_ups[step] AS runner_up,
     nodes[places[step]] AS n
CREATE (p)-[:THROUGH {{step: step, influence: influence, margin: margin, runner_up: runner_up}}]->(n)
"""
# Setting a property takes the Run's lock; only then is its state read.
_CLAIM = """
MATCH (r:Run {id: $run}) SET r.model = r.model
WITH r WHERE r.state = 'loading' AND r.loaded = $start
SET r.loaded = $end
RETURN r.id AS id
"""

Report = Callable[[int], None]
"""Called with how many of a run's patterns are loaded."""


class CursorMoved(Exception):  # noqa: N818
    """The Run's `loaded` is not where a batch starts: raised in its transaction, which is undone."""


class _Rows(dict[str, list[Any]]):
    """Columns of patterns, as a parameter that has no text.

    The driver makes a text of each parameter for its log, read or not, which takes longer than sending it.
    """

    def __repr__(self) -> str:
        return "rows"


@dataclass
class _Batch:
    """Rows `start` to `end` of a run's patterns, as parameters of `_PATTERNS`."""

    run: str
    start: int
    end: int
    nodes: list[str]
    rows: _Rows
    claimed: Event = field(default_factory=Event)
    """Set once the batch is about to commit, or has failed: then the next one may begin."""

    def create(self, transaction: Transaction) -> None:
        """Create the patterns and move the Run's `loaded`; raises CursorMoved if it is not at `start`."""
        made = transaction.run(_PATTERNS, run=self.run, nodes=self.nodes, rows=self.rows).consume().counters
        if transaction.run(_CLAIM, run=self.run, start=self.start, end=self.end).single() is None:
            raise CursorMoved
        patterns, steps = self.end - self.start, sum(map(len, self.rows["places"]))
        if (made.nodes_created, made.relationships_created) != (patterns, 2 * patterns + steps):
            raise IpgraphError(
                f"run {self.run}: patterns from row {self.start} on have an instance or a node that the "
                "store lacks: someone else is removing them, or the run directory is damaged"
            )
        self.claimed.set()

    def write(self, connection: Connection) -> bool:
        """Write the batch in a transaction of its own; return whether it was due (see `create`)."""
        try:
            connection.transact(self.create)
        except CursorMoved:
            return False
        except IpgraphError as error:
            # Whoever wrote these patterns moved `loaded` with them.
            if isinstance(error.__cause__, ConstraintError) and _loaded(connection, self.run) != self.start:
                return False
            raise
        finally:
            self.claimed.set()
        return True


def load_patterns(connection: Connection, run: RunDirectory, report: Report) -> None:
    """Load the patterns of a run that is in state "loading", from wherever an earlier loading stopped.

    Batches that take too much of the server's memory are halved. Raises IpgraphError if somebody removes the
    run, or if its instances or nodes are not there.
    """
    size = BATCH_PATTERNS
    while True:
        try:
            if _load_from(_loaded(connection, run.id), connection, run, report, size):
                return
        except TooLargeError:
            if size == 1:
                raise
            size //= 2
            log.warning("%s takes no larger batches than %d patterns", connection.location, size)


def progress_of(connection: Connection, run: str) -> tuple[str | None, int]:
    """Return a run's state (None if it is not there) and how many of its patterns are loaded."""
    text = "MATCH (r:Run {id: $run}) RETURN r.state AS state, r.loaded AS loaded"
    records = connection.read(text, {"run": run}).records
    return (records[0]["state"], records[0]["loaded"]) if records else (None, 0)


def _loaded(connection: Connection, run: str) -> int:
    state, loaded = progress_of(connection, run)
    if state not in ("loading", "complete"):
        raise IpgraphError(
            f"run {run} is being removed from {connection.location} by someone else: try again"
        )
    return loaded


def _load_from(start: int, connection: Connection, run: RunDirectory, report: Report, size: int) -> bool:
    """Load patterns from row `start` on; return False at the first batch that was not due."""
    under_way: deque[tuple[_Batch, Future[bool]]] = deque()

    def done() -> bool:
        batch, written = under_way[0]
        due = written.result()
        under_way.popleft()
        if due:
            report(batch.end)
        return due

    timeout = None
    try:
        for batch in _batches(run, start, size):
            if under_way:
                under_way[-1][0].claimed.wait()
            if len(under_way) == _UNDER_WAY and not done():
                return False
            under_way.append((batch, _writing(batch, connection)))
        while under_way:
            if not done():
                return False
    except KeyboardInterrupt:
        timeout = INTERRUPT_WAIT
        raise
    finally:
        wait([written for _, written in under_way], timeout)
    return True


def _writing(batch: _Batch, connection: Connection) -> Future[bool]:
    """Write a batch in a thread that ends with the program, even one that retries as the server is down."""
    written: Future[bool] = Future()

    def write() -> None:
        try:
            written.set_result(batch.write(connection))
        except BaseException as error:  # noqa: BLE001
            written.set_exception(error)

    Thread(target=write, daemon=True).start()
    return written


def _batches(run: RunDirectory, start: int, size: int) -> Iterator[_Batch]:
    for table in pattern_batches(run, size, start):
        lists = table["nodes"].combine_chunks()
        nodes = lists.flatten().dictionary_encode()
        rows = _Rows(
            {name: table[name].to_pylist() for name in (*_SENT, "influences", "margins", "runner_ups")}
        )
        rows["places"] = lists_like(lists, nodes.indices).to_pylist()
        yield _Batch(run.id, start, start + table.num_rows, nodes.dictionary.to_pylist(), rows)
        start += table.num_rows
