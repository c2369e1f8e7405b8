"""Files: read only if they are files of a size that memory holds, written whole or not at all."""

import errno
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

from filelock import FileLock, Timeout

from ipgraph.graphstore.common.errors import UsageError

MAX_JSON = 64 << 20
"""Bytes of a JSON file that is read (each skipped row of a run takes about a hundred)."""
MAX_FILE = 4 << 30
"""Bytes of any other file of a run directory."""
MAX_UNPACKED = 4 << 30
"""Bytes of a Parquet file once it is unpacked; large shards have some hundred million."""
MAX_VALUES = 100_000_000
"""Values in a column of a Parquet file, those in lists counted; large shards have some million."""
_NEW = 60.0
"""Seconds within which a folder's lock may be there and not be held yet."""
_LOCK = ".lock"


def require_regular(path: Path, limit: int = MAX_FILE) -> None:
    """Raise UsageError unless a path is a regular file, no link, of at most `limit` bytes."""
    facts = path.lstat()
    if not stat.S_ISREG(facts.st_mode):
        kind = "a link" if stat.S_ISLNK(facts.st_mode) else "not a regular file"
        raise UsageError(f"{path} is {kind}, and a run directory holds regular files only")
    if facts.st_size > limit:
        raise UsageError(f"{path} has {facts.st_size:,} bytes; at most {limit:,} are read")


def require_folder(path: Path) -> None:
    """Raise UsageError where a path is a link or anything else that is not a folder; FileNotFoundError."""
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise UsageError(f"{path} is a link or a file, and a run directory has a folder there")


def read_bytes(path: Path, limit: int = MAX_FILE) -> bytes:
    """Return a file's content (see `require_regular`)."""
    require_regular(path, limit)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UsageError(f"{path} is a link, and a run directory holds regular files only") from error
    with os.fdopen(handle, "rb") as file:
        return file.read(limit + 1)


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; raises UsageError for other text, FileNotFoundError without a file."""
    try:
        return json.loads(read_bytes(path, MAX_JSON).decode("utf-8"), parse_constant=_refuse)
    except RecursionError as error:
        raise UsageError(f"{path} is not JSON that can be read: it nests too deeply") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


@contextmanager
def staging_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Give a temporary folder, locked while it is in use; remove those that dead processes left."""
    root = parent or Path(tempfile.gettempdir())
    remove_dead(root, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    try:
        with FileLock(folder / _LOCK):
            content = folder / "content"
            content.mkdir()
            yield content
    finally:
        rmtree(folder, ignore_errors=True)


def remove_dead(root: Path, prefix: str) -> None:
    """Remove staging folders whose process is gone: nobody holds their lock, and they are not brand new."""
    for folder in root.glob(f"{prefix}*"):
        with suppress(OSError, Timeout):
            is_ours = not folder.is_symlink() and (folder / _LOCK).is_file()
            if is_ours and time.time() - folder.stat().st_mtime > _NEW:
                with FileLock(folder / _LOCK, timeout=0):
                    rmtree(folder, ignore_errors=True)


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write to, which takes its place once all is written.

    What was at `path` stays as it was if writing fails.
    """
    with staging_folder(".ipgraph-", path.parent) as folder:
        partial = folder / path.name  # a writer may go by the name's suffix
        yield partial
        partial.replace(path)
