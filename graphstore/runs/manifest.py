"""What run.json may say: the types, names and ranges that the rest of the package relies on."""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.schema.labels import MAX_HEAD, MAX_LAYER, MAX_POSITION
from ipgraph.graphstore.schema.records import LEVELS, Run, columns, nullable

MAX_SHARDS = 100_000
"""Shards of a run: their folders have names of five digits."""
_ID = re.compile(r"r[0-9a-f]{12}")
_FORM: dict[str, type] = {
    "id": str,
    "state": str,
    "created": str,
    "shards": int,
    "run": dict,
    "settings": dict,
    "environment": dict,
    "files": dict,
    "skipped": list,
}
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
}
_RANGES = {
    "layers": (1, MAX_LAYER),
    "heads": (1, MAX_HEAD),
    "positions": (0, MAX_POSITION + 1),
    "accuracy": (0, 1),
}
_COUNTS = ("n_steps", "instances", "patterns", "steps", "skipped", "unsettled", "loaded", "tolerance")
"""Fields of Run that are not negative."""
_JSON = ("graph", "rows", "settings", "environment")
_STATES = ("running", "complete")
_BITS = 1 << 63


def require_manifest(manifest: Mapping[str, Any], file: Path) -> None:
    """Raise UsageError unless a manifest has the form that `RunDirectory` writes; its id is checked apart."""
    for name, kind in _FORM.items():
        if type(manifest.get(name)) is not kind:
            raise UsageError(f"{file} is damaged: {name} is missing or not of its type")
    if not _ID.fullmatch(manifest["id"]):
        raise UsageError(f"{file} is damaged: {manifest['id'][:40]!r} is not the id of a run")
    if manifest["state"] not in _STATES or not 0 <= manifest["shards"] <= MAX_SHARDS:
        raise UsageError(f"{file} is damaged: its state or its number of shards is not one of a run")
    if not all(_is_digest_of_file(name, digest) for name, digest in manifest["files"].items()):
        raise UsageError(f"{file} is damaged: a name under files is not a file's in its folder")
    if not all(_is_skipped(row) for row in manifest["skipped"]):
        raise UsageError(f"{file} is damaged: a row under skipped does not say where and why")
    _require_time(manifest["created"], file)
    _require_fields(manifest["run"], file, whole=manifest["state"] == "complete")


def _is_digest_of_file(name: str, digest: object) -> bool:
    return Path(name).name == name and name not in ("", "..") and isinstance(digest, str)


def _is_skipped(row: object) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("where", "reason"))


def _require_time(text: str, file: Path) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{file} is damaged: created is not a time") from error


def _require_fields(fields: Mapping[str, Any], file: Path, *, whole: bool) -> None:
    """Raise UsageError unless a run's fields are Run's, all of them if it is whole, and each can be one."""
    kinds = columns(Run)
    if strangers := [name for name in fields if name not in kinds] + [
        n for n in kinds if whole and n not in fields
    ]:
        raise UsageError(f"{file} is damaged: fields of the run missing or not known: {', '.join(strangers)}")
    for name, value in fields.items():
        if not _fits(value, kinds[name], optional=name in nullable(Run)) or not _in_range(name, value):
            raise UsageError(f"{file} is damaged: {name} is {str(value)[:40]!r}, which no run has")
    _require_graph(fields.get("graph", "[]"), file)


def _fits(value: object, kind: str, *, optional: bool) -> bool:
    if value is None:
        return optional
    if kind.endswith("[]"):
        parts = value if isinstance(value, list) else [None]
        return all(_fits(part, kind.removesuffix("[]"), optional=False) for part in parts)
    if type(value) not in _KINDS[kind]:
        return False
    return not isinstance(value, int | float) or (-_BITS <= value < _BITS and math.isfinite(value))


def _in_range(name: str, value: Any) -> bool:
    if name == "level":
        return value in ("", *LEVELS, "both")
    if name in _JSON:
        return _is_json(value, list if name == "graph" else dict)
    low, high = _RANGES.get(name, (0 if name in _COUNTS else -math.inf, math.inf))
    return not isinstance(value, int | float) or low <= value <= high


def _is_json(text: str, kind: type) -> bool:
    try:
        return isinstance(json.loads(text), kind)
    except (ValueError, RecursionError):
        return False


def _require_graph(text: str, file: Path) -> None:
    """Raise UsageError unless the layers of a computation graph are ones that node labels reach."""
    try:
        layers = GraphShape.from_json(text).layers
    except (TypeError, ValueError) as error:
        raise UsageError(f"{file} is damaged: its graph is not a list of layers") from error
    sound = len(layers) <= MAX_LAYER and all(
        type(layer.heads) is int
        and 0 <= layer.heads <= MAX_HEAD
        and all(reach is None or (type(reach) is int and reach >= 0) for reach in (layer.behind, layer.ahead))
        and {layer.stack, layer.reads} <= {1, 2}
        for layer in layers
    )
    if not sound:
        raise UsageError(f"{file} is damaged: its graph has layers that no run has")
