"""What is counted of a run once all its shards are there."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.records import Run


def finished(
    manifest: Mapping[str, Any], predictions: Iterable[pa.Table], rows: Mapping[str, int]
) -> dict[str, Any]:
    """Return the fields of Run of a manifest whose shards have these predictions and rows by table.

    Raises IpgraphError where an instance appears twice.
    """
    ids: set[str] = set()
    positions = labelled = correct = unsettled = 0
    for table in predictions:
        if again := ids & set(found := table["instance"].to_pylist()):
            raise IpgraphError(f"an instance appears in two shards of run {manifest['id']}: {min(again)}")
        ids.update(found)
        positions = max(positions, pc.max(pc.list_value_length(table["tokens"])).as_py() or 0)
        judged = table.filter(pc.invert(table["label_is_predicted"]))["is_correct"]
        unsettled += table["is_settled"].to_pylist().count(False)
        labelled, correct = labelled + len(judged), correct + judged.to_pylist().count(True)
    known = manifest["run"] | {
        "id": manifest["id"],
        "created": manifest["created"],
        "settings": canonical(manifest["settings"]),
        "environment": json.dumps(manifest["environment"], sort_keys=True, ensure_ascii=False),
        "instances": len(ids),
        "patterns": rows["patterns"],
        "steps": rows["steps"],
        "rows": json.dumps({name: rows[name] for name in tables.written()}),
        "positions": positions,
        "unsettled": None if manifest["run"]["tolerance"] is None else unsettled,
        "accuracy": correct / labelled if labelled else None,
        "skipped": len(manifest["skipped"]),
        "state": "complete",
        "loaded": rows["patterns"],
    }
    return asdict(Run(**known))


def canonical(settings: Mapping[str, object]) -> str:
    """Return the text of settings that a run's id is a digest of."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
