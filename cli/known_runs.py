"""The runs that the store and the folder of run directories hold, and what is recorded about each."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipgraph.graphstore.common.errors import IpgraphError

if TYPE_CHECKING:
    from ipgraph.graphstore.runs.directory import RunDirectory
    from ipgraph.graphstore.schema.records import Run

JSON_FIELDS = ("settings", "environment")
"""Fields of a Run that are JSON objects."""


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run that is in the store, in its run directory, or in both."""

    id: str
    stored: "Run | None"
    directory: "RunDirectory | None"

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of Run that are known: all of them, unless the run is unfinished."""
        if self.directory is not None and not self.directory.is_complete:
            manifest = self.directory.manifest
            return {**manifest["run"], "state": self._unfinished(), "created": manifest["created"]}
        if self.directory is not None:
            return asdict(self.directory.run)
        return asdict(self.stored) if self.stored else {}

    @property
    def name(self) -> str:
        """The id, with the label where there is one."""
        label = self.fields.get("label")
        return f"{self.id} ({label})" if label else self.id

    def _unfinished(self) -> str:
        assert self.directory is not None  # noqa: S101
        total = self.directory.manifest["shards"]
        try:
            return f"{total - len(self.directory.faults())} of {total} shards"
        except IpgraphError:  # said by whatever reads the run; others are listed beside it
            return "damaged"

    @property
    def where(self) -> str:
        """Where the run is, and how much of it if not all."""
        places = [str(self.directory.path)] if self.directory else []
        if self.stored is not None:
            states = {
                "complete": "store",
                "removing": "store (removing)",
                "loading": f"store (loading, {self.stored.loaded} of {self.stored.patterns} patterns)",
            }
            places.append(states[self.stored.state])
        return ", ".join(places)

    @property
    def facts(self) -> dict[str, object]:
        """The fields with JSON opened: an entry per setting, the layers in words."""
        fields = self.fields
        opened = {name: json.loads(fields[name]) for name in JSON_FIELDS if name in fields}
        if "graph" in fields:
            opened["graph"] = layers_in_words(json.loads(fields["graph"]))
        if fields.get("n_steps") == 0 and fields.get("quadrature"):
            opened["n_steps"] = "auto"
        return dict(flattened(fields | opened))


def known_runs(store: str | None, runs_dir: Path) -> dict[str, KnownRun]:
    """Return every run in the store and under `runs_dir` by id, newest first."""
    from ipgraph.graphstore.runs.finding import list_runs

    stored = _stored(store)
    on_disk = {run.id: run for run in list_runs(runs_dir)}
    runs = [KnownRun(key, stored.get(key), on_disk.get(key)) for key in {**on_disk, **stored}]
    return {run.id: run for run in sorted(runs, key=lambda r: (r.fields["created"], r.id), reverse=True)}


def known_run(name: str, store: str | None, runs_dir: Path) -> KnownRun:
    """Return the run with the id `name`, or with the only label or beginning of an id, or in that folder."""
    from ipgraph.graphstore.runs.finding import folder_named, match_run

    if folder := folder_named(name):
        return KnownRun(folder.id, _stored(store).get(folder.id), folder)
    runs = known_runs(store, runs_dir)
    labels = {key: str(run.fields["label"]) for key, run in runs.items()}
    return runs[match_run(name, labels, f"the store or {runs_dir}")]


def _stored(store: str | None) -> "dict[str, Run]":
    """Return the runs in a store by id."""
    from ipgraph.graphstore.opening import open_store

    with open_store(store) as opened:
        return {run.id: run for run in opened.runs()}


def layers_in_words(layers: list[dict[str, Any]]) -> str:
    """Return what a run's `graph` says, equal layers together: `6 layers of 8 heads`.

    Beyond the number of heads, only what differs from an encoder that sees every position is named.
    """
    usual = {"behind": None, "ahead": None, "stack": 1, "reads": 1}
    parts = []
    for layer, equal in groupby(layers):
        special = [f"{name} {layer[name]}" for name, value in usual.items() if layer[name] != value]
        heads = "1 head" if layer["heads"] == 1 else f"{layer['heads']} heads"
        count = sum(1 for _ in equal)
        kind = f" ({', '.join(special)})" if special else ""
        parts.append(f"{count} layer{'s' * (count > 1)} of {heads}{kind}")
    return "; ".join(parts)


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield a mapping's values by name, those of a mapping inside it as `outer.inner`."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
