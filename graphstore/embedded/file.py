"""The embedded store's database file: how it is opened, its tables, and how a changed copy takes its place.

The file is never written to. A change is made in a copy in a fresh folder beside it, under a lock of ours,
and the finished copy is renamed over the file: whatever happens, a reader finds the old store or the new one.
"""

import fcntl
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import ladybug
from filelock import FileLock, Timeout

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.common.files import staging_folder
from ipgraph.graphstore.runs.shards import sync
from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.arrow import require_version
from ipgraph.graphstore.schema.records import SCHEMA_VERSION, ColumnType
from ipgraph.graphstore.store.protocol import Result, Value, out_of_time

BUFFER_POOL = 1 << 30
WAIT_SECONDS = 900.0
"""How long a change waits for another process's change of the same store."""

_TYPES: dict[str, str] = {"string": "STRING", "int": "INT64", "float": "DOUBLE", "bool": "BOOL"}
_INTERNAL = ("_ID", "_SRC", "_DST")
"""What the database adds to nodes and relationships: places in the file."""
_STOPPED = "Interrupted"
"""What the database says of a query whose time is over."""
_VERSION = "ipgraph schema version "
_BUILDING = ".{}.*.building"
_LEFTOVERS = (".wal", ".wal.checkpoint", ".shadow", ".tmp")
"""What the database keeps beside its file while it is changed, by the ends of their names."""
STAGING = "ipgraph-staging-"
"""How the names of folders for what is copied into a store begin."""

log = logging.getLogger(__name__)


def ladybug_type(kind: ColumnType) -> str:
    """Return the database's name of a column type."""
    return _TYPES[kind.removesuffix("[]")] + "[]" * kind.endswith("[]")


class Database:
    """An open database file; a fresh connection runs each query, since one pins what it has run."""

    def __init__(self, path: Path, *, read_only: bool, room: int = 0) -> None:
        """Open or make a file; `room` is how many bytes it may grow by."""
        limit = max(1 << 32, 1 << (2 * (path.stat().st_size + room if path.exists() else room)).bit_length())
        self.database = ladybug.Database(
            path, read_only=read_only, buffer_pool_size=BUFFER_POOL, max_db_size=limit
        )
        self.readers = 0

    def read(
        self,
        cypher: str,
        parameters: Mapping[str, Value] | None = None,
        *,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> Result:
        """Run one statement, return its rows as plain Python values; raises the database's RuntimeError.

        Raises IpgraphError when it takes longer than `timeout` seconds.
        """
        connection = ladybug.Connection(self.database)
        try:
            if timeout is not None:
                connection.set_query_timeout(max(1, round(1000 * timeout)))
            result = connection.execute(cypher, dict(parameters or {}))
            names, kinds = result.get_column_names(), result.get_column_data_types()
            rows = result.get_all() if limit is None else result.get_n(limit)
            cut = limit is not None and result.has_next()
            result.close()
        except RuntimeError as error:
            if timeout is not None and _STOPPED in str(error):
                raise out_of_time(timeout) from error
            raise
        finally:
            connection.close()
        for column, kind in enumerate(kinds):
            if kind.removesuffix("[]") not in _TYPES.values():
                for row in rows:
                    row[column] = _plain(row[column])
        return Result(names, rows, cut)

    def tables(self) -> dict[str, str]:
        """Return the comments of the tables, by name."""
        return dict(self.read("CALL show_tables() RETURN name, comment").rows)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the file."""
        self.database.close()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in _INTERNAL}
    return value


def require_schema(database: Database, path: Path) -> None:
    """Raise UsageError unless the database is a store of this schema version."""
    comment = database.tables().get("Run")
    if comment is None or not comment.startswith(_VERSION):
        raise UsageError(f"{path} is a database, but not a store of ipgraph")
    require_version(comment.removeprefix(_VERSION), str(path), "its runs again into another store")


def create_tables(database: Database) -> None:
    """Make the schema's tables in an empty database."""
    for table in tables.TABLES:
        fields = [f"{name} {ladybug_type(kind)}" for name, kind in table.properties.items()]
        if table.ends is None:
            database.read(f"CREATE NODE TABLE {table.name}({', '.join(fields)}, PRIMARY KEY(id))")
        else:
            source, target = table.ends
            ends = f"FROM {source.__name__} TO {target.__name__}"
            database.read(f"CREATE REL TABLE {table.name}({', '.join([ends, *fields])})")
    database.read(f"COMMENT ON TABLE Run IS '{_VERSION}{SCHEMA_VERSION}'")


def require_columns(database: Database) -> None:
    """Raise IpgraphError unless every table has the schema's columns in its order: COPY goes by position."""
    for table in tables.TABLES:
        stored = database.read(f"CALL table_info('{table.name}') RETURN name, type").rows
        if stored != [[name, ladybug_type(kind)] for name, kind in table.properties.items()]:
            raise IpgraphError(f"table {table.name} has the columns {stored}; expected {table.properties}")


@dataclass
class Change:
    """A store that is being changed: the copy that will replace it, a folder for what is copied into it."""

    database: Database
    staging: Path
    unreadable: Exception | None = None
    """Why the old file cannot be read: then it is not replaced but set aside under another name."""


@contextmanager
def changed_copy(path: Path, *, fresh: bool = False, room: int = 0) -> Iterator[Change]:
    """Give a writable copy of a store, which replaces it at the end; `path` is not a link.

    `fresh` begins with an empty store instead. Waits for other changes of the store. Leave by an exception,
    and the store stays as it was; leave by `Unchanged`, and nothing is said of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path), staging_folder(STAGING) as staging:
        _refuse_other_writer(path)
        _remove_stale(path)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".building", dir=path.parent))
        try:
            yield from _built(path, folder / "store", staging, fresh=fresh, room=room)
        except (OSError, RuntimeError) as error:
            raise IpgraphError(f"{path} could not be changed ({error}); it is as it was") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(path: Path) -> None:
    """Remove half-built copies of a store beside it, unless a live process is building one."""
    if any(path.parent.glob(_BUILDING.format(path.name))):
        with suppress(OSError, Timeout), FileLock(f"{path}.writing", timeout=0):
            _remove_stale(path)


def _remove_stale(path: Path) -> None:
    for stale in path.parent.glob(_BUILDING.format(path.name)):
        shutil.rmtree(stale, ignore_errors=True)


class Unchanged(Exception):  # noqa: N818 - not an error: it ends `changed_copy` without a change
    """Nothing is to be changed after all."""


def _built(path: Path, copy: Path, staging: Path, *, fresh: bool, room: int) -> Iterator[Change]:
    size = path.stat().st_size if path.exists() else 0
    fresh = fresh or not path.exists()
    if not fresh:
        shutil.copyfile(path, copy)
    database = Database(copy, read_only=False, room=room + size * fresh)
    change = Change(database, staging)
    try:
        if fresh:
            create_tables(database)
        require_columns(database)
        yield change
        database.read("CHECKPOINT")
    except Unchanged:
        return
    finally:
        database.close()
    if left := [file.name for file in copy.parent.iterdir() if file != copy]:
        raise IpgraphError(
            f"the new store is not whole: {', '.join(left)} is left beside it; {path} is as it was"
        )
    sync(copy)
    if change.unreadable:
        _set_aside(path, change.unreadable)
    copy.replace(path)
    sync(path.parent)


def _set_aside(path: Path, why: Exception) -> None:
    names = (f"{path.name}.unreadable{n or ''}" for n in count())
    aside = next(other for name in names if not (other := path.with_name(name)).exists())
    path.rename(aside)
    log.warning("%s; it is set aside as %s", why, aside)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = FileLock(f"{path}.writing")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.warning("%s is being changed by another process; waiting for it", path)
        try:
            lock.acquire(timeout=WAIT_SECONDS)
        except Timeout as error:
            raise IpgraphError(
                f"{path} has been open for writing elsewhere for {WAIT_SECONDS:.0f} s "
                f"(lock {lock.lock_file}); try again when that is done"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _refuse_other_writer(path: Path) -> None:
    """Raise IpgraphError if another program, which knows nothing of our lock, writes to the file."""
    if not path.exists():
        if left := [name for end in _LEFTOVERS if (name := Path(f"{path}{end}")).exists()]:
            raise IpgraphError(
                f"there is no store at {path}, and {left[0]} is left of one: "
                "move it away or name another path"
            )
        return
    with path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            raise IpgraphError(f"{path} is open for writing elsewhere; close it there first") from error
    if left := [name for end in _LEFTOVERS if (name := Path(f"{path}{end}")).exists()]:
        raise IpgraphError(
            f"{path} has {left[0]} beside it: another program changed the store and did not finish; open and "
            "close it there, so that nothing is lost"
        )
