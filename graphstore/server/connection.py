"""The connection to a Neo4j server: who logs in, whether the server will do, how it is read and written.

User, database and password come from NEO4J_USERNAME, NEO4J_DATABASE and NEO4J_PASSWORD; a missing password is
asked for on a terminal. It is kept nowhere but in the driver.
"""

import getpass
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import neo4j
from neo4j.exceptions import DriverError, IncompleteCommit, Neo4jError

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.common.text import shown_address
from ipgraph.graphstore.server.errors import TooLargeError, as_sentence, is_too_large
from ipgraph.graphstore.store.protocol import out_of_time

OLDEST = (5, 26)
"""The oldest release that will do: the 5.26 LTS. Calendar versions (2025.01 and later) come after it."""
RETRY_SECONDS = 120.0
"""How long a transaction is retried, with back-off; a server that restarts is up again by then."""
_LOST_COMMITS = 5

T = TypeVar("T")
Transaction = neo4j.Transaction | neo4j.ManagedTransaction

log = logging.getLogger(__name__)

# The driver warns on stderr where nothing else listens; what matters reaches the user as an error of ours.
logging.getLogger("neo4j").addHandler(logging.NullHandler())
logging.getLogger("neo4j.notifications").setLevel(logging.ERROR)


class Connection:
    """A server that let us in: its version and edition, and the database in use (None: the default).

    Raises UsageError for a URI with a password or a database in it, a missing or wrong password, or a
    database that is not there; IpgraphError if no server answers or it is older than OLDEST.
    """

    def __init__(self, location: str) -> None:
        self.location = location = server_address(location)
        self.database = os.environ.get("NEO4J_DATABASE") or None
        user = os.environ.get("NEO4J_USERNAME") or "neo4j"
        auth = (user, _password(location, user))
        with self._sentences():
            self.driver = neo4j.GraphDatabase.driver(
                location,
                auth=auth,
                max_transaction_retry_time=RETRY_SECONDS,
                connection_timeout=15.0,
                notifications_min_severity="WARNING",
            )
        try:
            self.version, self.edition = self._components()
            require_version(location, self.version, self.edition)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the driver and its connections."""
        self.driver.close()

    def read(
        self,
        cypher: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> neo4j.EagerResult:
        """Run a statement in a read transaction, which cannot write; fetch at most `limit` rows.

        Raises IpgraphError when it takes longer than `timeout` seconds.
        """

        def fetched(result: neo4j.Result) -> neo4j.EagerResult:
            records = list(result) if limit is None else result.fetch(limit)
            return neo4j.EagerResult(records, result.consume(), list(result.keys()))

        query = neo4j.Query(cypher, timeout=timeout)
        try:
            return self._repeated(
                lambda: self.driver.execute_query(
                    query,
                    dict(parameters or {}),
                    database_=self.database,
                    routing_="r",
                    result_transformer_=fetched,
                )
            )
        except IpgraphError as error:
            if timeout is not None and "TimedOut" in str(getattr(error.__cause__, "code", "")):
                raise out_of_time(timeout) from error
            raise

    def write(self, cypher: str, **parameters: Any) -> neo4j.SummaryCounters:
        """Run a statement in a write transaction of its own (see `transact`); return what it changed."""
        return self.transact(lambda transaction: transaction.run(cypher, parameters).consume().counters)

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Do work in one write transaction; it must be such that it can be repeated.

        The driver repeats whatever fails in passing, for two minutes. It takes a lack of memory for such a
        thing, so that a first attempt is made without it: raises TooLargeError at once.
        """

        def attempt(session: neo4j.Session) -> T:
            try:
                with session.begin_transaction() as transaction:
                    found = work(transaction)
                    transaction.commit()
            except (Neo4jError, DriverError) as error:
                if not error.is_retryable() or (isinstance(error, Neo4jError) and is_too_large(error)):
                    raise
                return session.execute_write(work)
            return found

        bookmarks = self.driver.execute_query_bookmark_manager
        with self.driver.session(database=self.database, bookmark_manager=bookmarks) as session:
            return self._repeated(lambda: attempt(session))

    def write_rows(self, cypher: str, rows: Sequence[Any]) -> None:
        """Run a statement on `$rows`, in transactions as large as the server's memory lets them be."""
        try:
            self.write(cypher, rows=rows)
        except TooLargeError:
            if len(rows) <= 1:
                raise
            half = len(rows) // 2
            log.warning("%s takes no %d rows at once; halving them", self.location, len(rows))
            self.write_rows(cypher, rows[:half])
            self.write_rows(cypher, rows[half:])

    def _repeated(self, attempt: Callable[[], T]) -> T:
        """Repeat what the driver does not: a transaction whose connection broke during the commit.

        Nobody knows whether that commit took place. Whatever else fails in passing the driver has retried
        already, with back-off.
        """
        with self._sentences():
            for _ in range(_LOST_COMMITS):
                try:
                    return attempt()
                except IncompleteCommit:
                    log.warning("the connection to %s broke during a commit; repeating it", self.location)
            return attempt()

    def _components(self) -> tuple[str, str]:
        """Return version and edition by one query, never retried: a wrong request fails at once."""
        query = "CALL dbms.components() YIELD name, versions, edition RETURN name, versions[0], edition"
        access = neo4j.READ_ACCESS
        with (
            self._sentences(),
            self.driver.session(database=self.database, default_access_mode=access) as session,
        ):
            components = {name: (version, edition) for name, version, edition in session.run(query).values()}
        return components["Neo4j Kernel"]

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except (Neo4jError, DriverError) as error:
            raise as_sentence(error, self.location, self.database) from error


def server_address(location: str) -> str:
    """Return a server's URI: scheme, host and port; raises UsageError, which repeats nothing else of it."""
    location = location.strip()
    if "@" in location:
        raise UsageError("a Neo4j URI cannot hold a user or password: set NEO4J_USERNAME and NEO4J_PASSWORD")
    address = shown_address(location)
    if location[len(address) :].strip("/"):
        raise UsageError(
            f"a Neo4j URI ends with the port, as {address} does: set NEO4J_DATABASE for a database"
        )
    try:
        named = urlsplit(address)
        sound = named.hostname and (named.port or 1)
    except ValueError:
        sound = False
    if not sound:
        raise UsageError("a Neo4j URI has a host and, where it is not 7687, a port: bolt://HOST:PORT")
    return address


def _password(location: str, user: str) -> str:
    password = os.environ.get("NEO4J_PASSWORD")
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise UsageError(
            f"no password for user {user!r} at {location}: set NEO4J_PASSWORD in the environment"
        )
    return getpass.getpass(f"Password of Neo4j user {user!r} at {location}: ")


def require_version(location: str, version: str, edition: str) -> None:
    """Raise IpgraphError if a server's version, such as `5.26.1` or `2025.10.1`, is older than OLDEST."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise IpgraphError(
            f"the server at {location} is Neo4j {version} ({edition}); "
            f"ipgraph needs {oldest} or newer, of any edition, without plugins"
        )
