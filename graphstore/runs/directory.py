"""Run directories: the durable result of an extraction, from which every store can be rebuilt.

    runs/<run id>/run.json              what was run and how far it is: see RunDirectory.manifest
    runs/<run id>/...                   files that its shards are computed from, if any
    runs/<run id>/shards/00000/...      Parquet tables of SHARD_INSTANCES instances each
    runs/<run id>/contributions.parquet what layers take on average, computed when the run is finished
    runs/<run id>/measures.parquet      figures computed over the run, if any

The id is a digest of what determines the numbers, so that the same request finds its own directory again:
an interrupted run resumes from its finished shards, and a finished one is not computed twice.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ipgraph.graphstore.common.blocks import blocks
from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.common.files import read_bytes, read_json, require_folder
from ipgraph.graphstore.runs import contributions, creation, matrices, measures, shards
from ipgraph.graphstore.runs.creation import MANIFEST
from ipgraph.graphstore.runs.finishing import canonical, finished
from ipgraph.graphstore.runs.manifest import require_manifest
from ipgraph.graphstore.runs.shards import SHARD_INSTANCES, Shard
from ipgraph.graphstore.runs.values import ShardValues
from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.arrow import read_table, require_version, to_records
from ipgraph.graphstore.schema.records import SCHEMA_VERSION, Measure, Run, columns

__all__ = ["SHARD_INSTANCES", "RunDirectory", "Settings", "Shard", "run_id"]

log = logging.getLogger(__name__)

Settings = Mapping[str, object]
"""What determines a run's numbers, as JSON values."""

CONTRIBUTIONS = "contributions.parquet"
_READERS = 4
"""Shards that are read at a time to be checked."""
_COUNTED = (
    "instances",
    "patterns",
    "steps",
    "rows",
    "positions",
    "unsettled",
    "accuracy",
    "skipped",
    "state",
    "loaded",
)
"""Fields of Run that `finish` finds out."""
_GIVEN = set(columns(Run)) - {"id", "created", "settings", "environment", *_COUNTED}
"""Fields of Run that `create` is given."""


def run_id(settings: Settings) -> str:
    """Return the id of the run with these settings in this schema: `r` and twelve hexadecimal digits."""
    return "r" + sha256(f"{SCHEMA_VERSION} {canonical(settings)}".encode()).hexdigest()[:12]


class RunDirectory:
    """A run on disk; make one by `create` (new, or resumed) or `open`.

    `manifest` is run.json: schema_version, id, state ("running" or "complete"), created, shards (how many),
    run (the fields of Run known so far), settings, environment (of the request; each shard has its own),
    files (name to digest, those that `finish` computes among them), skipped (list of {where, reason, kind}),
    and what `finish` was given.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @property
    def id(self) -> str:
        """The run's id, also the folder's name."""
        return str(self.manifest["id"])

    @classmethod
    def create(
        cls,
        root: str | Path,
        settings: Settings,
        *,
        fields: Mapping[str, Any],
        environment: Mapping[str, Any],
        shards: int,
        files: Mapping[str, bytes] | None = None,
        skipped: Iterable[Mapping[str, str]] | None = None,
    ) -> "RunDirectory":
        """Make the run directory of these settings under `root`, or reopen the one that is there.

        `fields` are those of Run that are known before the first shard: all but id, created, settings,
        environment and those that are counted at the end. `shards` is how many there will be, `files` what
        they are computed from. Several processes may create the same run at once: the first one's directory
        stays. One that is reopened has the `skipped` rows of this request; until it is finished they are not
        on record. Raises IpgraphError for other fields, and where the directory could not be written.
        """
        path = Path(root) / run_id(settings)
        rows = [dict(row) for row in skipped or ()]
        if not (path / MANIFEST).exists():
            if due := _GIVEN ^ set(fields):
                raise IpgraphError(f"fields of a run missing or not known: {', '.join(sorted(due))}")
            manifest = {
                "schema_version": SCHEMA_VERSION,
                "id": path.name,
                "state": "running",
                "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "shards": shards,
                "run": dict(fields),
                "settings": dict(settings),
                "environment": dict(environment),
                "files": {name: sha256(content).hexdigest() for name, content in (files or {}).items()},
                "skipped": rows,
            }
            creation.make_folder(path, manifest, files or {})
        run = cls.open(path)
        if skipped is not None:
            run.manifest["skipped"] = rows
        return run

    @classmethod
    def open(cls, path: str | Path) -> "RunDirectory":
        """Open a run directory; raises UsageError if it is none, is damaged or has another schema version."""
        path = Path(path)
        file = path / MANIFEST
        try:
            manifest = read_json(file)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(f"{path} is not a run directory: it has no {MANIFEST}") from error
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error}") from error
        if not isinstance(manifest, dict) or "schema_version" not in manifest:
            raise UsageError(f"{file} is not a run's: it states no schema_version")
        require_version(manifest["schema_version"], str(file))
        require_manifest(manifest, file)
        if manifest["id"] != (due := run_id(manifest["settings"])):
            raise UsageError(
                f"{file} is damaged: its id is {manifest['id']}, and that of its settings is {due}"
            )
        return cls(path, manifest)

    @property
    def label(self) -> str:
        """What the user calls the run; "" where nothing was given."""
        return str(self.manifest["run"].get("label", ""))

    def __repr__(self) -> str:
        """Return it as Python would write it."""
        return f"RunDirectory({str(self.path)!r})"

    def set_label(self, label: str) -> None:
        """Give the run another label, which is no part of what its id is made from."""
        written = RunDirectory.open(self.path).manifest
        _write(written | {"run": written["run"] | {"label": label}}, self.path / MANIFEST)
        self.manifest["run"]["label"] = label

    @property
    def is_complete(self) -> bool:
        """Whether every shard was written and the run finished."""
        return bool(self.manifest["state"] == "complete")

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of Run that `create` was given."""
        return {name: value for name, value in self.manifest["run"].items() if name in _GIVEN}

    @property
    def run(self) -> Run:
        """The run's record, as a store holds it once loaded; raises UsageError if the run is not complete."""
        self._require_finished()
        return Run(**self.manifest["run"])

    def missing(self) -> list[int]:
        """Return which shards are still to be computed; corrupt ones, logged by name, are among them."""
        faults = self.faults()
        for index, what in faults.items():
            if what != "missing":
                log.warning("shard %d of run %s is %s; it is computed again", index, self.id, what)
        return list(faults)

    def faults(self) -> dict[int, str]:
        """Return what is wrong with each shard that is missing or corrupt, by index."""
        with suppress(FileNotFoundError):
            require_folder(self.path / "shards")
        faults = ((index, shards.fault(self._shard(index))) for index in range(self.manifest["shards"]))
        return {index: what for index, what in faults if what is not None}

    def read_file(self, name: str) -> bytes:
        """Return the content of a file that `create` was given; raises IpgraphError if it has changed."""
        path = self.path / name
        try:
            content = read_bytes(path)
        except FileNotFoundError:
            content = b""
        if sha256(content).hexdigest() != self.manifest["files"].get(name):
            raise IpgraphError(
                f"{path} is missing or not what was written: delete run {self.id} and extract again"
            )
        return content

    def write_shard(self, index: int, shard: Shard, environment: Mapping[str, Any] | None = None) -> None:
        """Write a shard, atomically: at most SHARD_INSTANCES instances, with the run's own id.

        `environment` is what the shard was computed with, as JSON values.
        """
        if not 0 <= index < self.manifest["shards"]:
            raise IpgraphError(
                f"run {self.id} has {self.manifest['shards']} shards; there is no shard {index}"
            )
        if {row.run for rows in shard.records().values() for row in rows if hasattr(row, "run")} - {self.id}:
            raise IpgraphError(f"shard {index} has rows of another run than {self.id}")
        shards.write(shard, self._shard(index), environment or {})
        log.info("run %s: shard %d of %d written", self.id, index + 1, self.manifest["shards"])

    def tables(self, name: str) -> Iterator[pa.Table]:
        """Yield a table, by its file's name such as "patterns", shard by shard or in smaller pieces."""
        if name in tables.derived():
            for file in self.files(name):
                yield read_table(tables.record_of(name), file)
            return
        for folder in self._finished():
            yield from shards.read(folder, name)

    def files(self, name: str) -> list[Path]:
        """Return the Parquet files of a table: one per finished shard, or that which `finish` made."""
        if name in tables.derived():
            return [self.path / f"{name}.parquet"] if f"{name}.parquet" in self.manifest["files"] else []
        return [folder / f"{name}.parquet" for folder in self._finished()]

    def matrices(self, instance: str) -> dict[str, NDArray[np.float64]]:
        """Return an instance's layer matrices by name, each [layer, destination, source].

        Of an encoder or a decoder `self` is [L, N, N]; of an encoder-decoder `encoder` is [L, S, S], `self`
        [L, T, T] and `cross` [L, T, S]. Raises UsageError for an unknown instance, and for one that has none
        as the run's method makes none; IpgraphError where a file is missing or damaged.
        """
        try:
            found = matrices.of_instance(self._finished(), instance)
        except UsageError:
            raise
        except (IpgraphError, OSError) as error:
            raise IpgraphError(
                f"run {self.id} is damaged: {error}; repeat the extraction to compute it"
            ) from error
        if found is None:
            raise UsageError(f"run {self.id} has no instance {instance!r}: {self.path} holds others")
        if not found:
            raise UsageError(
                f"run {self.id} has no layer matrices of {instance}: its method is "
                f"{self.manifest['run']['method']}; make a run of a method that keeps them, such as rollout, "
                "alti or hta"
            )
        return found

    def records(self, name: str) -> Iterator[Any]:
        """Yield a table's rows as records of the schema."""
        for table in self.tables(name):
            yield from to_records(tables.record_of(name), table)

    def environments(self) -> list[tuple[dict[str, Any], list[int]]]:
        """Return the distinct environments that computed the run's sound shards, each with their indices."""
        indices: dict[str, list[int]] = {}
        for folder in self._finished():
            environment = json.dumps(shards.environment(folder), sort_keys=True)
            indices.setdefault(environment, []).append(int(folder.name))
        return [(json.loads(environment), found) for environment, found in indices.items()]

    def finish(self, **summary: Any) -> None:
        """Declare the run complete: compute its contributions, count its rows, keep `summary` in run.json.

        `summary` has JSON values. Raises IpgraphError if a shard is missing or an instance appears twice.
        """
        self.require_sound()
        manifest = self.manifest | summary | {"state": "complete"}
        contributed = contributions.write(self.path / CONTRIBUTIONS, self.id, manifest["run"], self.tables)
        manifest["files"] = self.manifest["files"] | {CONTRIBUTIONS: contributed["sha256"]}
        rows = Counter(contributions=contributed["rows"])
        for folder in self._finished():
            rows.update(shards.rows(folder))
        manifest["run"] = finished(manifest, self.tables("predictions"), rows)
        _write(manifest, self.path / MANIFEST)
        self.manifest = manifest
        shards.remove_leftovers(self.path / "shards")
        creation.remove_leftovers(self.path)

    def require_complete(self) -> None:
        """Raise UsageError if the run is not complete, IpgraphError that names a shard that is not sound.

        Every value is read and checked: the directory may come from elsewhere.
        """
        self._require_finished()
        self.require_sound()
        for what in self.derived_faults():
            raise IpgraphError(f"run {self.id}: {what}: repeat the extraction to compute it")
        values, rows = ShardValues(self.run), Counter[str]()
        with ThreadPoolExecutor(_READERS) as pool:
            for folders in blocks(self._finished(), _READERS):
                for folder, found in zip(folders, pool.map(shards.read_loaded, folders), strict=True):
                    values.check(found, shards.read(folder, "matrices"), folder.name)
                    rows.update({name: len(table) for name, table in found.items()})
                    rows["matrices"] += shards.rows(folder)["matrices"]
        for table in self.tables("contributions"):
            values.check_contributions(table)
            rows["contributions"] += len(table)
        if json.loads(self.run.rows) != (counted := {name: rows[name] for name in tables.written()}):
            raise IpgraphError(
                f"run {self.id} is damaged: its files have the rows {counted}, not {self.run.rows}"
            )

    def derived_faults(self) -> list[str]:
        """Say which of the files that `finish` computes are missing or not what it wrote."""
        files = {f"{name}.parquet" for name in tables.derived()}
        return [
            f"{self.path / name} is missing or not what was written"
            for name in sorted(files)
            if not shards.is_as_written(self.path / name, self.manifest["files"].get(name, ""))
        ]

    def require_sound(self) -> None:
        """Raise IpgraphError that names the first missing, corrupt or superfluous shard, if there is one."""
        folders = {path.name for path in (self.path / "shards").glob("[!.]*")}
        if more := folders - {self._shard(index).name for index in range(self.manifest["shards"])}:
            raise IpgraphError(
                f"run {self.id} has {self.manifest['shards']} shards, and {self.path / 'shards'} holds "
                f"{min(more)} too: move away what does not belong there"
            )
        for index, what in self.faults().items():
            raise IpgraphError(
                f"shard {index} of run {self.id} ({self._shard(index)}) is {what}: "
                "repeat the extraction to compute it"
            )

    def measures(self) -> list[Measure]:
        """Return the measures kept with the run."""
        return measures.kept(self.path, self.id)

    def write_measures(self, due: Iterable[Measure]) -> None:
        """Keep measures with the run, replacing those of the same id; simultaneous evaluations take turns.

        Raises IpgraphError for a measure of other runs.
        """
        measures.keep(self.path, self.id, due)

    def delete(self) -> None:
        """Remove the directory, which is not a run any more from the first moment on."""
        creation.remove_folder(self.path)

    def _require_finished(self) -> None:
        if not self.is_complete:
            where = f"run {self.id} in {self.path}"
            raise UsageError(f"{where} is not complete: repeat the extraction to resume it")

    def _finished(self) -> list[Path]:
        folders = map(self._shard, range(self.manifest["shards"]))
        return [folder for folder in folders if folder.is_dir()]

    def _shard(self, index: int) -> Path:
        return self.path / "shards" / f"{index:05d}"


def _write(manifest: Mapping[str, Any], file: Path) -> None:
    try:
        shards.write_json(manifest, file)
    except OSError as error:
        raise IpgraphError(f"{file} could not be written: {error}") from error
