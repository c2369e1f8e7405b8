"""The shared store: a Neo4j server, read by the same Cypher as the embedded store."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self

import neo4j
from neo4j.exceptions import DriverError
from neo4j.graph import Node, Path, Relationship

from ipgraph.graphstore.common.errors import IpgraphError, UsageError, unknown
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.runs.measures import require_of_run
from ipgraph.graphstore.schema.arrow import require_version
from ipgraph.graphstore.schema.records import SCHEMA_VERSION, Measure, Run
from ipgraph.graphstore.schema.tables import schema_names
from ipgraph.graphstore.server import load as neo4j_load
from ipgraph.graphstore.server import remove as neo4j_remove
from ipgraph.graphstore.server.connection import Connection
from ipgraph.graphstore.server.foreign import foreign
from ipgraph.graphstore.server.readonly import require_read
from ipgraph.graphstore.store import check, reading
from ipgraph.graphstore.store.protocol import (
    Problem,
    Progress,
    Result,
    Scalar,
    Value,
    require_bounds,
    verified,
)

_NAMED = {"01N50": "label", "01N51": "relationship", "01N52": "property"}
"""By the server's status for a name that it has never seen: what it names."""


class Neo4jStore:
    """A graph store on a Neo4j server, by its URI.

    Raises UsageError if the login fails or the store is of another schema version, IpgraphError if no server
    answers or it is too old (see `connection.Connection`).
    """

    dialect: Literal["ladybug", "neo4j"] = "neo4j"
    first = 0

    def __init__(self, location: str) -> None:
        self._connection = Connection(location)
        self.location = self._connection.location
        try:
            self._require_version()
        except BaseException:
            self.close()
            raise

    def read(
        self,
        cypher: str,
        parameters: Mapping[str, Value] | None = None,
        *,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> Result:
        """Run a read-only query for at most `timeout` seconds, and return at most `limit` rows.

        Raises UsageError for what does more than read, bad syntax or an unknown name, IpgraphError when the
        time is over.
        """
        require_bounds(timeout, limit)
        require_read(cypher)
        more = None if limit is None else limit + 1
        result = self._connection.read(cypher, parameters, timeout=timeout, limit=more)
        _require_known_names(result.summary)
        rows = [[_plain(value) for value in row] for row in result.records[:limit]]
        return Result(list(result.keys), rows, cut=len(rows) < len(result.records))

    def explain(self, cypher: str, parameters: Mapping[str, Value] | None = None) -> str:
        """Return the server's plan for a query, as it draws it."""
        require_read(cypher)
        plan = self._connection.read(f"EXPLAIN {cypher}", parameters).summary.plan or {}
        return str(plan["args"]["string-representation"])

    def runs(self) -> list[Run]:
        """Return the runs on the server, newest first; `state` tells half-loaded and half-removed ones."""
        return reading.runs(self)

    def add(self, runs: Iterable[RunDirectory], progress: Progress | None = None) -> int:
        """Load run directories, each from where an earlier loading stopped; return how many runs were new.

        A run that is there gets its directory's label and measures, where they differ.
        """
        return self._load(list(verified(runs).values()), progress)

    def _load(self, directories: Sequence[RunDirectory], progress: Progress | None) -> int:
        total = sum(run.run.patterns for run in directories)
        neo4j_load.prepare(self._connection)
        new = before = 0
        for run in directories:
            if self._load_one(run, _counted(progress, before, total)):
                new += 1
            else:
                due = reading.outdated(self, run.id, run.measures())
                neo4j_load.load_measures(self._connection, due)
                if reading.require_run(self, run.id).label != run.label:
                    self.set_label(run.id, run.label)
            before += run.run.patterns
            if progress:
                progress(before, total)
        return new

    def _load_one(self, run: RunDirectory, report: Callable[[int], None]) -> bool:
        try:
            return neo4j_load.load(self._connection, run, report)
        except IpgraphError as error:
            if not isinstance(error.__cause__, DriverError):
                raise
            stays = f"what is loaded of run {run.id} stays, and the same command goes on from there"
            raise IpgraphError(f"{error}; {stays}") from error

    def remove(self, run: str, progress: Progress | None = None) -> None:
        """Delete a run and what only it used, in bounded transactions; raises UsageError without the run."""
        patterns = reading.require_run(self, run).patterns
        neo4j_remove.remove(self._connection, run, _counted(progress, 0, patterns))

    def rebuild(
        self, runs: Iterable[RunDirectory], progress: Progress | None = None, *, full_graph: bool = False
    ) -> list[Run]:
        """Load run directories anew, one after the other; return the stored runs that have no directory here.

        With `full_graph` every edge of their computation graphs is written, however long the sentences.
        """
        directories = verified(runs)
        stored_runs = self.runs()
        for run in stored_runs:
            if run.id in directories:
                neo4j_remove.remove(self._connection, run.id)
        self._load(list(directories.values()), progress)
        if full_graph:
            for directory in directories.values():
                neo4j_load.load_far_edges(self._connection, directory.run)
        return [run for run in stored_runs if run.id not in directories]

    def add_measures(self, run: str, measures: Iterable[Measure]) -> None:
        """Attach measures to a run, replacing those of the same id; raises UsageError if it is not there."""
        reading.require_run(self, run)
        due = list(measures)
        require_of_run(run, due)
        neo4j_load.load_measures(self._connection, due)

    def set_label(self, run: str, label: str) -> None:
        """Give a stored run another label; raises UsageError if it is not there."""
        reading.require_run(self, run)
        self._connection.write(reading.SET_LABEL, run=run, label=label)

    def info(self) -> dict[str, Scalar]:
        """Return counts of each label and relationship, versions, and how far the graphs reach."""
        about: dict[str, Scalar] = {
            "store": self.location,
            "kind": f"Neo4j {self._connection.version} ({self._connection.edition})",
            "database": self._connection.database or "the user's default",
            "schema version": SCHEMA_VERSION,
        }
        return about | reading.counts(self) | reading.graph_notes(self)

    def check(self, runs: Iterable[RunDirectory] = (), progress: Progress | None = None) -> list[Problem]:
        """Return what is wrong with the store, and what differs from the given run directories."""
        missing = [Problem("schema", what) for what in neo4j_load.unprepared(self._connection)]
        missing += [Problem("database", f"holds {what}") for what in foreign(self._connection)]
        return missing + check.check(self, runs, progress)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_version(self) -> None:
        text = "MATCH (r:Run) RETURN DISTINCT coalesce(r.schema_version, 'none') AS version"
        for row in self._connection.read(text).records:
            if row["version"] == "none":
                raise UsageError(
                    f"{self.location} holds nodes labelled Run that are not ipgraph's; use a database of its "
                    "own (NEO4J_DATABASE)"
                )
            require_version(row["version"], self.location, "its runs again into another store")


def _counted(progress: Progress | None, before: int, total: int) -> Callable[[int], None]:
    """Return a report of one run's patterns as progress within several runs."""
    return lambda done: progress(before + done, total) if progress else None


def _require_known_names(summary: neo4j.ResultSummary) -> None:
    """Raise UsageError for a name that neither the server nor the schema knows, rather than find nothing."""
    for status in summary.gql_status_objects:
        what = _NAMED.get(status.gql_status)
        name = re.search("`(.+?)`", status.status_description)
        if what and name and name[1] not in (valid := schema_names()[what]):
            raise unknown(what, name[1], valid)


def _plain(value: object) -> object:
    """Return a value as plain Python; nodes, relationships and paths in the embedded store's shape."""
    if isinstance(value, Node):
        return {"_LABEL": min(value.labels, default=""), **_plain_values(value)}
    if isinstance(value, Relationship):
        return {"_LABEL": value.type, **_plain_values(value)}
    if isinstance(value, Path):
        return {"_NODES": [_plain(n) for n in value.nodes], "_RELS": [_plain(r) for r in value.relationships]}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return _plain_values(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _plain_values(values: Mapping[str, object]) -> dict[str, object]:
    return {key: _plain(item) for key, item in values.items()}
