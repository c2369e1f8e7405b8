"""The embedded store: a LadybugDB database in one file, read in place and changed by replacing it."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import ladybug

from ipgraph.graphstore import check, stored
from ipgraph.graphstore.errors import IpgraphError, UsageError
from ipgraph.graphstore.ladybug_file import Database, Unchanged, changed_copy, require_schema
from ipgraph.graphstore.ladybug_load import load
from ipgraph.graphstore.ladybug_source import from_directories, from_store
from ipgraph.graphstore.readonly import require_read
from ipgraph.graphstore.runs import RunDirectory
from ipgraph.graphstore.schema import SCHEMA_VERSION, SHARD_TABLES, Measure, Run, columns
from ipgraph.graphstore.store import Problem, Progress, Result, Scalar, Value

log = logging.getLogger(__name__)


class EmbeddedStore:
    """A store in one file; a path where there is none yet is an empty store, which the first `add` makes."""

    dialect: Literal["ladybug"] = "ladybug"
    first = 1

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.location = str(path)
        self._database: Database | None = None
        self._seen: tuple[int, ...] = ()

    def read(self, cypher: str, parameters: Mapping[str, Value] | None = None) -> Result:
        """Run a read-only query; raises UsageError for anything else, or a statement that does not parse."""
        require_read(cypher)
        return self._run(cypher, parameters)

    def explain(self, cypher: str, parameters: Mapping[str, Value] | None = None) -> str:
        """Return the query's plan as text."""
        require_read(cypher)
        return "\n".join(str(row[0]) for row in self._run(f"EXPLAIN {cypher}", parameters).rows)

    def _run(self, cypher: str, parameters: Mapping[str, Value] | None) -> Result:
        database = self._opened()
        try:
            return database.read(cypher, parameters)
        except (RuntimeError, TypeError, ValueError) as error:
            raise UsageError(f"the query cannot be run: {error}") from error

    def _opened(self) -> Database:
        """Return the database as it is now: reopened if another process has replaced the file."""
        require_file(self.path)
        facts = self.path.stat()
        seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        if self._database is None or seen != self._seen:
            self.close()
            self._database, self._seen = open_file(self.path), seen
        return self._database

    def runs(self) -> list[Run]:
        """Return the runs in the store, newest first."""
        return stored.runs(self) if self.path.exists() else []

    def add(self, runs: Iterable[RunDirectory], progress: Progress | None = None) -> int:
        """Add finished run directories (patterns are the unit of progress); return how many runs were new."""
        due = {run.id: run for run in runs}
        held = {run.id for run in self.runs()}
        new = {name: run for name, run in due.items() if name not in held}
        for run in new.values():
            run.require_complete()
        if not new:
            return 0
        self.close()
        with changed_copy(self.path, room=_bytes(new.values())) as (database, staging):
            held = {run.id for run in stored.runs(database)}
            new = {name: run for name, run in new.items() if name not in held}
            if not new:
                raise Unchanged
            load(database, staging, from_directories(list(new.values()), staging), progress=progress)
        return len(new)

    def remove(self, run: str, progress: Progress | None = None) -> None:
        """Delete a run and what only it used: the store is made anew from what it holds of the others."""
        if run not in {held.id for held in self.runs()}:
            raise UsageError(f"{self.location} holds no run {run!r}")
        self._remake([], {run}, full_graph=False, progress=progress)

    def rebuild(
        self, runs: Iterable[RunDirectory], progress: Progress | None = None, *, full_graph: bool = False
    ) -> list[Run]:
        """Make the store anew from run directories; return the runs that it kept, having no directory here.

        A store that cannot be read, or is of another schema version, is set aside under another name. With
        `full_graph` every edge of the computation graphs is written, however long the sentences.
        """
        directories = list({run.id: run for run in runs}.values())
        for run in directories:
            run.require_complete()
        try:
            held = self.runs()
        except (IpgraphError, RuntimeError) as error:
            self._set_aside(error)
            held = []
        named = {run.id for run in directories}
        self._remake(directories, named, full_graph=full_graph, progress=progress)
        return [run for run in held if run.id not in named]

    def _remake(
        self,
        directories: Sequence[RunDirectory],
        dropped: set[str],
        *,
        full_graph: bool,
        progress: Progress | None,
    ) -> None:
        """Make the store anew from directories and from what it holds of the runs that are not dropped."""
        self.close()
        with changed_copy(self.path, fresh=True, room=_bytes(directories)) as (database, staging):
            measures: list[Measure] = []
            if self.path.exists():
                old = open_file(self.path)
                held = stored.runs(old)
                kept = [run for run in held if run.id not in dropped]
                if kept:
                    load(database, staging, from_store(old, kept, staging), full_graph=full_graph)
                ids = {run.id for run in directories} & {run.id for run in held}
                measures = [measure for name in ids for measure in stored.measures(old, name)]
                old.close()
            if directories:
                source = from_directories(directories, staging, measures)
                load(database, staging, source, full_graph=full_graph, progress=progress)

    def _set_aside(self, error: Exception) -> None:
        aside = next(
            path
            for n in count()
            if not (path := self.path.with_name(f"{self.path.name}.unreadable{n or ''}")).exists()
        )
        log.warning("%s; it is set aside as %s", error, aside)
        self.close()
        self.path.rename(aside)

    def add_measures(self, run: str, measures: Iterable[Measure]) -> None:
        """Attach measures to a run, replacing those of the same id."""
        rows = [asdict(measure) for measure in measures]
        if run not in {held.id for held in self.runs()}:
            raise UsageError(f"{self.location} holds no run {run!r}")
        if other := {str(row["run"]) for row in rows} - {run}:
            raise IpgraphError(f"measures of {', '.join(sorted(other))} cannot be attached to run {run}")
        if not rows:
            return
        self.close()
        with changed_copy(self.path) as (database, _):
            fields = ", ".join(f"m.{name} = row.{name}" for name in columns(Measure) if name != "id")
            database.read(
                f"UNWIND $rows AS row MERGE (m:Measure {{id: row.id}}) SET {fields}",
                {"rows": rows},  # type: ignore[dict-item]
            )
            database.read(
                "MATCH (r:Run {id: $run}) MATCH (m:Measure {run: $run}) MERGE (r)-[:MEASURED]->(m)",
                {"run": run},
            )

    def info(self) -> dict[str, Scalar]:
        """Return what the store holds: counts of labels and relationships, versions, how far graphs reach."""
        comments: dict[str, Scalar] = {
            "store": self.location,
            "kind": f"LadybugDB {ladybug.Database.get_version()}, one file",
            "bytes": require_file(self.path).st_size,
            "schema version": SCHEMA_VERSION,
        }
        return comments | stored.counts(self) | stored.graph_notes(self)

    def check(self, runs: Iterable[RunDirectory] = (), progress: Progress | None = None) -> list[Problem]:
        """Return what is wrong with the store, and what differs from the given run directories."""
        return check.check(self, runs, progress)

    def close(self) -> None:
        """Let go of the file."""
        if self._database is not None:
            self._database.close()
        self._database = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def require_file(path: Path) -> os.stat_result:
    """Return the facts of a store's file; raises UsageError if there is none, or an empty one."""
    if not path.exists():
        raise UsageError(f"there is no store at {path}; `ipgraph ingest dataset sva-obj` makes one")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; a store is one file")
    facts = path.stat()
    if facts.st_size == 0:
        raise UsageError(f"{path} is an empty file, not a store; delete it, or name another path")
    return facts


def open_file(path: Path) -> Database:
    """Open a store's file to read; raises UsageError if it is no store of this schema version."""
    try:
        database = Database(path, read_only=True)
    except RuntimeError as error:
        raise UsageError(f"{path} cannot be opened as a store: {error}") from error
    try:
        require_schema(database, path)
    except UsageError:
        database.close()
        raise
    return database


def _bytes(runs: Iterable[RunDirectory]) -> int:
    """Return a generous guess at how much a store grows by loading runs."""
    files = (path for run in runs for name in SHARD_TABLES for path in run.files(name))
    return 32 * sum(path.stat().st_size for path in files) + (1 << 30)
