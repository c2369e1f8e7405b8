"""The embedded store: a LadybugDB database in one file, read in place and changed by replacing it."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Literal, Self

import ladybug

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.common.suggested import suggested
from ipgraph.graphstore.embedded.errors import as_sentence, damaged
from ipgraph.graphstore.embedded.file import (
    Change,
    Database,
    Unchanged,
    changed_copy,
    remove_abandoned,
    require_schema,
)
from ipgraph.graphstore.embedded.load import load, merge_measures
from ipgraph.graphstore.embedded.readonly import require_read
from ipgraph.graphstore.embedded.source import from_directories, from_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.runs.measures import require_of_run
from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.records import SCHEMA_VERSION, Measure, Run
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

_MACHINE = ("Buffer manager exception", "IO exception")
"""What the database says where memory or the disk fails, which says nothing against a file."""


class EmbeddedStore:
    """A store in one file; a path where there is none yet is an empty store, which the first `add` makes."""

    dialect: Literal["ladybug"] = "ladybug"
    first = 1

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.is_symlink():  # the file is what a change replaces, not the link
            self.path = Path(os.path.realpath(path))
        self.location = str(path)
        self._database: Database | None = None
        self._seen: tuple[int, ...] = ()
        self._lock = Lock()
        remove_abandoned(self.path)

    def read(
        self,
        cypher: str,
        parameters: Mapping[str, Value] | None = None,
        *,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> Result:
        """Run a read-only query for at most `timeout` seconds, and return at most `limit` rows.

        Raises UsageError for another statement, or one that does not parse; IpgraphError when time is over.
        """
        require_bounds(timeout, limit)
        require_read(cypher)
        return self._run(cypher, parameters, timeout, limit)

    def explain(self, cypher: str, parameters: Mapping[str, Value] | None = None) -> str:
        """Return the query's plan as text."""
        require_read(cypher)
        return "\n".join(str(row[0]) for row in self._run(f"EXPLAIN {cypher}", parameters).rows)

    def _run(
        self,
        cypher: str,
        parameters: Mapping[str, Value] | None,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> Result:
        with self._opened() as database:
            try:
                return database.read(cypher, parameters, timeout=timeout, limit=limit)
            except (RuntimeError, TypeError, ValueError) as error:
                raise as_sentence(error, self.location) from error

    @contextmanager
    def _opened(self) -> Iterator[Database]:
        """Give the database as it is now: reopened if another process has replaced the file.

        Several threads read at once; a database that was replaced is closed by the last that reads it.
        """
        with self._lock:
            facts = require_file(self.path)
            seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
            if self._database is None or seen != self._seen:
                self._let_go()
                self._database, self._seen = open_file(self.path), seen
            database = self._database
            database.readers += 1
        try:
            yield database
        finally:
            with self._lock:
                database.readers -= 1
                if not database.readers and database is not self._database:
                    database.close()

    def _let_go(self) -> None:
        if self._database is not None and not self._database.readers:
            self._database.close()
        self._database = None

    def runs(self) -> list[Run]:
        """Return the runs in the store, newest first."""
        return reading.runs(self) if self.path.exists() else []

    def add(self, runs: Iterable[RunDirectory], progress: Progress | None = None) -> int:
        """Add finished run directories; return how many runs were new (patterns are the unit of progress).

        A run that is there gets its directory's label and measures, where they differ.
        """
        due = verified(runs)
        labels = {run.id: run.label for run in self.runs() if run.id in due}
        stored = set(labels)
        if stored == due.keys() and not any(_outdated(self, due[name]) for name in stored):
            self._relabel(labels, due)
            return 0
        self.close()
        with changed_copy(self.path, room=_bytes(due[name] for name in due.keys() - stored)) as change:
            database = change.database
            stored = {run.id for run in reading.runs(database)} & due.keys()
            new = [run for name, run in due.items() if name not in stored]
            outdated = [measure for name in stored for measure in _outdated(database, due[name])]
            if not new and not outdated:
                raise Unchanged
            if new:
                load(database, change.staging, from_directories(new, change.staging), progress=progress)
            if outdated:
                merge_measures(database, outdated)
        self._relabel(labels, due)
        return len(new)

    def _relabel(self, labels: Mapping[str, str], directories: Mapping[str, RunDirectory]) -> None:
        for run, label in labels.items():
            if directories[run].label != label:
                self.set_label(run, directories[run].label)

    def remove(self, run: str, progress: Progress | None = None) -> None:
        """Delete a run and what only it used: the store is built again from what it holds of the others."""
        reading.require_run(self, run)
        self.close()
        with changed_copy(self.path, fresh=True) as change, closing(open_file(self.path)) as old:
            _keep(change, old, [other for other in reading.runs(old) if other.id != run], progress=progress)

    def rebuild(
        self, runs: Iterable[RunDirectory], progress: Progress | None = None, *, full_graph: bool = False
    ) -> list[Run]:
        """Build the store again from run directories; return the runs that it kept, which have none here.

        A file that cannot be read as a store, or is of another schema version, is set aside under another
        name. With `full_graph` every edge of the computation graphs is written, however long the sentences.
        """
        if self.path.exists():
            _require_regular(self.path)
        directories = verified(runs)
        kept: list[Run] = []
        measures: list[Measure] = []
        self.close()
        with changed_copy(self.path, fresh=True, room=_bytes(directories.values())) as change:
            change.unreadable = _unreadable(self.path) if self.path.exists() else None
            if self.path.exists() and not change.unreadable:
                with closing(open_file(self.path)) as old:
                    stored = reading.runs(old)
                    kept = [run for run in stored if run.id not in directories]
                    _keep(change, old, kept, full_graph=full_graph)
                    named = [run.id for run in stored if run.id in directories]
                    measures = [measure for name in named for measure in reading.measures(old, name)]
            if directories:
                source = from_directories(list(directories.values()), change.staging, measures)
                load(change.database, change.staging, source, full_graph=full_graph, progress=progress)
        return kept

    def add_measures(self, run: str, measures: Iterable[Measure]) -> None:
        """Attach measures to a run, replacing those of the same id."""
        due = list(measures)
        reading.require_run(self, run)
        require_of_run(run, due)
        if not reading.outdated(self, run, due):
            return
        self.close()
        with changed_copy(self.path) as change:
            merge_measures(change.database, due)

    def set_label(self, run: str, label: str) -> None:
        """Give a stored run another label; raises UsageError if it is not there."""
        reading.require_run(self, run)
        self.close()
        with changed_copy(self.path) as change:
            change.database.read(reading.SET_LABEL, {"run": run, "label": label})

    def info(self) -> dict[str, Scalar]:
        """Return what the store holds: counts of labels and relationships, versions, how far graphs reach."""
        comments: dict[str, Scalar] = {
            "store": self.location,
            "kind": f"LadybugDB {ladybug.Database.get_version()}, one file",
            "bytes": require_file(self.path).st_size,
            "schema version": SCHEMA_VERSION,
        }
        return comments | reading.counts(self) | reading.graph_notes(self)

    def check(self, runs: Iterable[RunDirectory] = (), progress: Progress | None = None) -> list[Problem]:
        """Return what is wrong with the store, and what differs from the given run directories."""
        return check.check(self, runs, progress)

    def close(self) -> None:
        """Let go of the file, once no thread reads it any more."""
        with self._lock:
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def require_file(path: Path) -> os.stat_result:
    """Return the facts of a store's file; raises UsageError if there is none, or an empty one."""
    if not path.exists():
        raise UsageError(
            f"there is no store at {path}; `{suggested('ingest dataset', 'sva-obj', store=path)}` makes one"
        )
    _require_regular(path)
    facts = path.stat()
    if facts.st_size == 0:
        raise UsageError(f"{path} is an empty file, not a store; delete it, or name another path")
    return facts


def _require_regular(path: Path) -> None:
    if not path.is_file():
        raise UsageError(
            f"{path} is {'a folder' if path.is_dir() else 'not a regular file'}; a store is one file"
        )


def open_file(path: Path) -> Database:
    """Open a store's file to read; raises UsageError unless it is a store of this schema version."""
    try:
        database = Database(path, read_only=True)
    except RuntimeError as error:
        raise damaged(path, error) from error
    try:
        require_schema(database, path)
    except UsageError:
        database.close()
        raise
    except (RuntimeError, ValueError) as error:
        database.close()
        raise damaged(path, error) from error
    return database


def _unreadable(path: Path) -> Exception | None:
    """Return why a file cannot be read as a store, if that is the file's fault; raises for other reasons."""
    _require_regular(path)
    try:
        require_file(path)
        with closing(open_file(path)) as database:
            reading.runs(database)
    except (UsageError, RuntimeError, ValueError) as error:
        if any(kind in str(error) for kind in _MACHINE):
            raise
        return error
    return None


def _keep(
    change: Change,
    old: Database,
    runs: Sequence[Run],
    *,
    full_graph: bool = False,
    progress: Progress | None = None,
) -> None:
    """Load runs of the old store into the new one."""
    if runs:
        source = from_store(old, runs, change.staging)
        load(change.database, change.staging, source, full_graph=full_graph, progress=progress)


def _outdated(store: reading.Reader, directory: RunDirectory) -> list[Measure]:
    return reading.outdated(store, directory.id, directory.measures())


def _bytes(runs: Iterable[RunDirectory]) -> int:
    """Return a generous guess at how much a store grows by loading runs."""
    files = (path for run in runs for name in tables.files() for path in run.files(name))
    return 32 * sum(path.stat().st_size for path in files) + (1 << 30)
