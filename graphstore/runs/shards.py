"""One shard of a run directory: a fixed number of instances with all that was found out about them.

A shard is a folder of Parquet files, one per table (`schema.tables.sharded`), and a `manifest.json` with each
file's row count and digest, and the environment that computed it. It is written beside its place under a
temporary name, synced, and renamed: it is there whole or not at all.
"""

import json
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ipgraph.graphstore.common.blocks import blocks
from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.common.files import MAX_VALUES, read_json, require_folder, require_regular
from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.arrow import (
    OtherVersionError,
    arrow_schema,
    read_pieces,
    read_table,
    require_version,
    to_table,
)
from ipgraph.graphstore.schema.records import SCHEMA_VERSION, Instance, Pattern, Prediction, Step

SHARD_INSTANCES = 100
"""Instances in a shard, whatever the batch size."""
MANIFEST = "manifest.json"
_GROUP_VALUES = 1 << 20
"""Values of a column in a row group: what is read at once of a table that may be large."""
_ABANDONED = 600.0
"""Seconds after which a temporary folder is nobody's any more; a shard is written in a few."""


@dataclass
class Shard:
    """Some instances, their predictions in the same order, their patterns, the patterns' steps, and more."""

    instances: list[Instance] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    further: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """The records of all other tables, by file."""

    def records(self) -> dict[str, list[Any]]:
        """Return every table's records, by file; raises IpgraphError for one that is not in the schema."""
        if strangers := self.further.keys() - set(tables.sharded()):
            raise IpgraphError(f"a shard has rows of a table that is not in the schema: {min(strangers)}")
        fixed: dict[str, list[Any]] = {
            "instances": self.instances,
            "predictions": self.predictions,
            "patterns": self.patterns,
            "steps": self.steps,
        }
        rows: dict[str, list[Any]] = {file: [] for file in tables.sharded()}
        return rows | fixed | self.further


def write(shard: Shard, folder: Path, environment: Mapping[str, Any]) -> None:
    """Write a shard as `folder`; raises IpgraphError for rows that do not fit together."""
    _require_coherent(shard)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        files = {
            f"{name}.parquet": _write_records(name, rows, temporary / f"{name}.parquet")
            for name, rows in shard.records().items()
        }
        manifest = {"schema_version": SCHEMA_VERSION, "files": files, "environment": dict(environment)}
        write_json(manifest, temporary / MANIFEST)
        _move_into_place(temporary, folder)
    except OSError as error:
        raise IpgraphError(
            f"{folder} could not be written ({error}); the finished shards are intact"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(parent: Path, pattern: str = ".*.tmp") -> None:
    """Remove what interrupted writing left in a folder, but not what another process may be writing now."""
    for left in parent.glob(pattern):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)


def read(folder: Path, name: str) -> Iterator[pa.Table]:
    """Read one of a shard's tables, by its file's name, such as "patterns"; a large one in pieces."""
    path = folder / f"{name}.parquet"
    if name in tables.KEPT:
        yield from read_pieces(tables.record_of(name), path)
    else:
        yield read_table(tables.record_of(name), path)


def read_own(folder: Path, name: str, column: str, text: str) -> Iterator[pa.Table]:
    """Read the rows of a table in which a column has a text, in pieces."""
    return read_pieces(tables.record_of(name), folder / f"{name}.parquet", (column, text))


def read_loaded(folder: Path) -> dict[str, pa.Table]:
    """Read those of a shard's tables that stores load, by their files' names."""
    names = [name for name in tables.sharded() if name not in tables.KEPT]
    return {name: next(read(folder, name)) for name in names}


def fault(folder: Path) -> str | None:
    """Return what is wrong with a shard (missing, or not what was written), or None.

    Raises UsageError for another schema version.
    """
    try:
        require_folder(folder)
        manifest = _manifest(folder)
        require_version(manifest["schema_version"], str(folder))
        wrong = [name for name, due in _digests(manifest).items() if digest(folder / name) != due]
    except FileNotFoundError:
        return "corrupt: a file is missing" if folder.exists() else "missing"
    except OtherVersionError:
        raise
    except (UsageError, OSError) as error:
        return f"corrupt: {error}"
    return f"corrupt: {', '.join(wrong)} is not what was written" if wrong else None


def _manifest(folder: Path) -> dict[str, Any]:
    """Return a shard's manifest; raises UsageError where its form is another."""
    content = read_json(folder / MANIFEST)
    manifest: dict[str, Any] = content if isinstance(content, dict) else {}
    files = manifest.get("files")
    whole = isinstance(files, dict) and all(map(_is_of_file, files.values()))
    if not whole or "schema_version" not in manifest or not isinstance(manifest.get("environment"), dict):
        raise UsageError(f"{folder / MANIFEST} is not a shard's")
    return manifest


def _is_of_file(facts: object) -> bool:
    if not isinstance(facts, dict):
        return False
    rows = facts.get("rows")
    return isinstance(facts.get("sha256"), str) and type(rows) is int and 0 <= rows <= MAX_VALUES


def _digests(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of each table's file, "" where the manifest has none."""
    names = [f"{name}.parquet" for name in sorted(tables.sharded())]
    return {name: manifest["files"].get(name, {}).get("sha256", "") for name in names}


def rows(folder: Path) -> dict[str, int]:
    """Return how many rows each of a shard's tables has."""
    files = _manifest(folder)["files"]
    return {name: int(files[f"{name}.parquet"]["rows"]) for name in tables.sharded()}


def environment(folder: Path) -> dict[str, Any]:
    """Return the environment that computed a shard."""
    return dict(_manifest(folder)["environment"])


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write a JSON file atomically and durably."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, ensure_ascii=False, allow_nan=False)
            file.write("\n")
        sync(Path(temporary))
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file's or folder's content to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_table(table: pa.Table, path: Path) -> dict[str, Any]:
    """Write a table durably, in row groups of about _GROUP_VALUES values; return its rows and digest."""
    return _write_pieces([table], table.schema, path)


def _write_records(name: str, rows: Sequence[Any], path: Path) -> dict[str, Any]:
    """Write a table's records as `write_table` does; of a large table not all are made Arrow's at once."""
    record = tables.record_of(name)
    pieces: Iterable[Sequence[Any]] = [rows]
    if name in tables.KEPT:
        pieces = blocks(rows, _rows_at_once(max((len(row.values) for row in rows), default=1)))
    return _write_pieces((to_table(record, piece) for piece in pieces), arrow_schema(record), path)


def _write_pieces(pieces: Iterable[pa.Table], schema: pa.Schema, path: Path) -> dict[str, Any]:
    number = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for piece in pieces:
            values = max((_most_values(column) for column in piece.columns), default=1)
            writer.write_table(piece, row_group_size=_rows_at_once(values))
            number += piece.num_rows
    sync(path)
    return {"rows": number, "sha256": digest(path)}


def _rows_at_once(values: int) -> int:
    """Return how many rows a row group has, by the most values of one."""
    return max(1, _GROUP_VALUES // max(1, values))


def _most_values(column: pa.ChunkedArray) -> int:
    """Return how many values the longest list of a column has."""
    return int(pc.max(pc.list_value_length(column)).as_py() or 1) if pa.types.is_list(column.type) else 1


def digest(path: Path) -> str:
    """Return the digest of a file's content; raises UsageError for a link, FileNotFoundError."""
    require_regular(path)
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def is_as_written(path: Path, due: str) -> bool:
    """Tell whether a file is there and has a digest."""
    try:
        return digest(path) == due
    except (UsageError, OSError):
        return False


def _move_into_place(temporary: Path, folder: Path) -> None:
    """Rename a finished folder, in place of a corrupt one; a good one that another process made stays."""
    sync(temporary)
    if folder.exists() and fault(folder) is not None:
        grave = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        folder.replace(grave)
        shutil.rmtree(grave)
    if not folder.exists():
        temporary.replace(folder)
        sync(folder.parent)


def _require_coherent(shard: Shard) -> None:
    ids = [instance.id for instance in shard.instances]
    if len(set(ids)) < len(ids):
        raise IpgraphError(f"an instance appears twice in a shard: {_twice(ids)}")
    if [prediction.instance for prediction in shard.predictions] != ids:
        raise IpgraphError("a shard needs one prediction for each instance, in the same order")
    for name, rows in shard.records().items():
        if strangers := {row.instance for row in rows if hasattr(row, "instance")} - set(ids):
            raise IpgraphError(
                f"{name} of instances that are not in the shard: {', '.join(sorted(strangers))}"
            )
    due = chain.from_iterable(
        ((p.id, step, node) for step, node in enumerate(p.path)) for p in shard.patterns
    )
    if list(due) != [(step.pattern, step.step, step.node) for step in shard.steps]:
        raise IpgraphError("a shard's steps must follow its patterns' paths, in the patterns' order")


def _twice(ids: list[str]) -> str:
    return ", ".join(sorted({name for name in ids if ids.count(name) > 1}))
