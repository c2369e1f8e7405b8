"""Reports on where the patterns of several words meet before the target."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ipgraph.graphstore.common.bootstrap import share_interval
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Record, Rows, ask
from ipgraph.queries.reports.declaration import (
    AtLevel,
    Condition,
    Limit,
    OtherRole,
    Report,
    Role,
    RunId,
    Sign,
    Subtask,
)
from ipgraph.queries.reports.parts import as_table, require_limit
from ipgraph.queries.reports.sample import INTERVALS, intervals
from ipgraph.queries.reports.tables import Table, count, number, share, text

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store


def convergence(
    store: "Store",
    *,
    run: RunId = "",
    level: AtLevel = "",
    subtask: Subtask = "",
    condition: Condition = "",
    sign: Sign = 0,
    limit: Limit = 20,
) -> list[Table]:
    """Where words from several positions converge at the same node before the target."""
    where: Parameters = {"run": run, "level": level, "subtask": subtask}
    where |= {"condition": condition, "sign": sign}
    columns = {
        "layer": count("layer"),
        "role": text("role"),
        "instance_share": share("of instances"),
        "instances": count("instances"),
        "patterns": count("patterns"),
    }
    rows = ask("convergence", store, **where, limit=limit)
    records = [{**row, "instance_share": share_interval(row["instances"], row["total"])} for row in rows]
    total = f"n = {records[0]['total']:,} instances; {INTERVALS}" if records else ""
    return [as_table("Where words converge before the target", rows, columns, total, records=records)]


def merges(
    store: "Store",
    *,
    role: Role,
    other_role: OtherRole,
    run: RunId = "",
    level: AtLevel = "",
    subtask: Subtask = "",
    condition: Condition = "",
    limit: Limit = 20,
) -> list[Table]:
    """Whether the patterns of two roles' words meet before the target, in which layer, through which head."""
    require_limit(limit)
    where: Parameters = {"run": run, "level": level, "role": role, "other_role": other_role}
    pairs = ask("first-meetings", store, **where, subtask=subtask, condition=condition, limit=NO_LIMIT)
    return [_meeting(pairs, role, other_role), _places(pairs, role, other_role, limit)]


def _meeting(pairs: Rows, role: str, other_role: str) -> Table:
    """Return in what share of the instances of each condition two words meet."""
    columns = {
        "subtask": text("subtask"),
        "condition": text("condition"),
        "meeting_share": share("share"),
        "mean_layer": number("mean layer", 1),
        "instances": count("instances"),
        "meeting": count("meeting"),
    }
    firsts: dict[tuple[str, str], dict[str, int | None]] = defaultdict(dict)
    for pair in pairs:
        group = firsts[pair["subtask"], pair["condition"]]
        met = [layer for layer in (group.get(pair["instance"]), pair["layer"]) if layer is not None]
        group[pair["instance"]] = min(met, default=None)
    records = [_of_condition(*key, list(layers.values())) for key, layers in sorted(firsts.items())]
    title = f"Instances in which {role} and {other_role} meet before the target"
    return as_table(title, pairs, columns, f"n: the column instances; {INTERVALS}", records=records)


def _of_condition(subtask: str, condition: str, layers: list[int | None]) -> Record:
    met = [layer for layer in layers if layer is not None]
    return {
        "subtask": subtask,
        "condition": condition,
        "instances": len(layers),
        "meeting": len(met),
        "meeting_share": share_interval(len(met), len(layers)),
        "mean_layer": intervals([[layer] for layer in met])[0] if met else None,
    }


def _places(pairs: Rows, role: str, other_role: str, limit: int) -> Table:
    """Return where pairs of words first meet, as shares of all pairs in an instance."""
    columns = {
        "layer": count("layer"),
        "meeting_role": text("at"),
        "step": text(f"{role} by" if other_role != role else "the earlier by"),
        "other_step": text(f"{other_role} by" if other_role != role else "the later by"),
        "pair_share": share("of pairs"),
        "pairs": count("pairs"),
    }
    records = _first_places(pairs, limit)
    instances = len({pair["instance"] for pair in pairs})
    note = "h3.7: through head 7 of layer 3; s3: through its skip; empty at embedding level"
    note += f"; n = {instances:,} instances; {INTERVALS}"
    return as_table("Where they first meet", pairs, columns, note, records=records)


def _first_places(pairs: Rows, limit: int) -> list[Record]:
    import numpy as np

    numbers: dict[str, int] = {}
    met: dict[Any, list[int]] = defaultdict(list)
    of_all: list[int] = []
    for pair in pairs:
        of_all.append(numbers.setdefault(pair["instance"], len(numbers)))
        if pair["layer"] is not None:
            place = (pair["layer"], pair["meeting"].rstrip("."), pair["step"], pair["other_step"])
            met[place].append(of_all[-1])
    ranked = sorted(met, key=lambda place: (-len(met[place]), place))[:limit]
    if not ranked:
        return []
    counts = np.array([np.bincount(met[place], minlength=len(numbers)) for place in ranked]).T
    shares = intervals(counts, np.bincount(of_all).astype(float))
    names = ("layer", "meeting_role", "step", "other_step")
    return [
        dict(zip(names, place, strict=True)) | {"pairs": len(met[place]), "pair_share": shares[k]}
        for k, place in enumerate(ranked)
    ]


REPORTS = (
    Report("convergence", "Convergence", convergence),
    Report("merges", "Merges", merges),
)
