"""Reports on what patterns pass through: skips and heads, shared subpaths, one head."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.graphstore.schema.labels import LABEL_WIDTH, ROLE_LABEL_WIDTH
from ipgraph.queries.language.binding import require_in_model, resolve_run
from ipgraph.queries.language.needs import PATTERNS
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Record, ask
from ipgraph.queries.reports.declaration import (
    AtLevel,
    Condition,
    Limit,
    RankBy,
    Report,
    Role,
    RunId,
    Sign,
    Subtask,
)
from ipgraph.queries.reports.parts import as_table, require_limit
from ipgraph.queries.reports.sample import Rank, Sample, Tally, first, intervals, stability_note
from ipgraph.queries.reports.tables import Table, TableColumn, count, number, share, signed, text
from ipgraph.queries.views.labels import KEY

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

SUBPATHS = {"position": "by absolute position", "role": "by role", "target": "relative to the target"}
RANKS: tuple[Rank, ...] = ("count", "influence")
INFLUENCE = (
    "of |I|: |influence| of the whole patterns through it, as a share of its instance's sum, averaged over "
    "instances; mean |I|: the same as a sum"
)
_CARRIED = {"influence_share": share("of |I|"), "influence": number("mean |I|")}
_SKIPS = {
    "skip_share": share("skip share"),
    "skip_share_staying": share("of staying steps"),
    "instances": count("instances"),
    "skips": count("skips"),
    "heads": count("heads"),
}
_SKIP_NOTE = (
    "skip share: skips / (skips + heads); of staying steps: skips / steps that stay at their position"
)
_SKIP_PARTS: tuple[tuple[str, dict[str, TableColumn], tuple[str, ...]], ...] = (
    ("Skip versus head share", {}, ()),
    ("Per layer", {"layer": count("layer")}, ("layer",)),
    ("Per role of the word", {"role": text("role")}, ("role",)),
    (
        "Per condition",
        {"subtask": text("subtask"), "condition": text("condition")},
        ("subtask", "condition"),
    ),
)


def skip_share(
    store: "Store",
    *,
    run: RunId = "",
    subtask: Subtask = "",
    condition: Condition = "",
    role: Role = "",
    sign: Sign = 0,
) -> list[Table]:
    """Skip versus head share: overall, per layer, per role of the word, per condition."""
    sample = Sample.of(store, level="attention", **_scope(run, subtask, condition, role, sign))
    return [
        as_table(
            title,
            sample.rows,
            columns | _SKIPS,
            sample.note("" if names else _SKIP_NOTE),
            records=skip_records(sample, names),
        )
        for title, columns, names in _SKIP_PARTS
    ]


def skip_records(sample: Sample, by: Sequence[str]) -> list[Record]:
    """Return the skip shares of each value of some fields of a pattern or step, with their intervals."""
    tally = sample.tally(lambda p: _choices(p, by))
    groups = list(dict.fromkeys(group for group, _ in tally.candidates))
    skips, heads, staying = (
        tally.at(tally.patterns, [(group, kind) for group in groups]) for kind in ("skip", "head", "staying")
    )
    steps = skips + heads + staying
    shares, of_staying = intervals(skips, steps), intervals(skips, skips + staying)
    return [
        {
            **dict(zip(by, group, strict=True)),
            "skips": int(skips[:, k].sum()),
            "heads": int((heads + staying)[:, k].sum()),
            "skip_share": shares[k],
            "skip_share_staying": of_staying[k],
            "instances": int((steps[:, k] > 0).sum()),
        }
        for k, group in enumerate(groups)
    ]


def _choices(pattern: Record, by: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield the group of each of a pattern's choices, and what it takes: skip, head or staying head."""
    route, stride = pattern["route"], LABEL_WIDTH + 1
    for layer, start in enumerate(range(stride, len(route), 2 * stride), 1):
        stays = route[start - 5 : start - 1] == route[start + 7 : start + LABEL_WIDTH]
        kind = "skip" if route[start] == "s" else "staying" if stays else "head"
        yield tuple(layer if name == "layer" else pattern[name] for name in by), kind


def heads(
    store: "Store",
    *,
    run: RunId = "",
    subtask: Subtask = "",
    condition: Condition = "",
    role: Role = "",
    sign: Sign = 0,
    layer: Annotated[int, "Only heads of this layer; 0 for all."] = 0,
    rank: RankBy = "count",
    limit: Limit = 10,
) -> list[Table]:
    """Heads ranked by traversal or influence: over all layers, and the first of each layer and role."""
    _check(rank, limit)
    require_in_model(resolve_run(store, run, PATTERNS), "layer", layer)
    scope = _scope(run, subtask, condition, role, sign)
    sample = Sample.of(store, by="role", level="attention", **scope)
    few = max(1, limit // 3)
    return [
        top_heads(sample, rank, limit, layer),
        *(
            _heads_per_group(sample, rank, few, layer, group)
            for group in ("layer", "role of the word", "role written to")
        ),
    ]


def top_heads(sample: Sample, rank: Rank, limit: int, layer: int = 0) -> Table:
    """Return the heads that most patterns, or the most influence, pass."""
    tally = sample.tally(lambda p: [head for head, _ in _heads_of(p, layer)])
    ranked, stability = first(tally.candidates, _ranked(tally, rank), limit)
    every, used = tally.at(tally.patterns, ranked), tally.at(tally.used, ranked)
    of_patterns = intervals(every, sample.total(lambda _: 1.0)) if ranked else []
    columns: dict[str, list[Any]] = {
        "layer": [head[0] for head in ranked],
        "head": [head[1] for head in ranked],
        "pattern_share": of_patterns,
        "instance_share": intervals(used),
        "patterns": [int(n) for n in every.sum(0)],
        "instances": [int(n) for n in used.sum(0)],
        **_carried(tally, ranked),
    }
    shown = {
        "layer": count("layer"),
        "head": count("head"),
        "pattern_share": share("of patterns"),
        "influence_share": _CARRIED["influence_share"],
        "instance_share": share("of instances"),
        "patterns": count("patterns"),
        "influence": _CARRIED["influence"],
    }
    note = sample.note("heads count from 1 in each layer", INFLUENCE, stability_note(len(ranked), stability))
    title = "Heads ranked by " + ("traversal" if rank == "count" else "influence")
    return as_table(title, sample.scoped(layer=layer), shown, note, records=_records(columns))


def _heads_of(pattern: Record, layer: int = 0) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the heads (layer, head) that a pattern passes, and the role of the position each writes to."""
    route, stride = pattern["route"], ROLE_LABEL_WIDTH + 1
    for start in range(stride, len(route), 2 * stride):
        if route[start] == "h" and layer in (0, at := int(route[start + 1 : start + 3])):
            label = route[start : start + ROLE_LABEL_WIDTH]
            yield (at, int(label[4:6])), label[7:].rstrip(".")


_GROUPS: dict[str, tuple[str, str, str]] = {
    "layer": ("layer", "layer_share", "of the layer's head steps"),
    "role of the word": ("role", "role_share", "of the role's patterns"),
    "role written to": ("destination", "head_share", "of the head's patterns"),
}
"""What heads are grouped by: the column, and the share that goes with it."""


def _heads_per_group(sample: Sample, rank: Rank, few: int, layer: int, grouped: str) -> Table:
    """Return the first heads of each layer, role of the word, or role of the position written to."""
    name, share_name, heading = _GROUPS[grouped]
    tally = sample.tally(lambda p: [_grouped(name, p, head, to) for head, to in _heads_of(p, layer)])
    ranked, stabilities = _first_of_each(tally, rank, few)
    every = tally.at(tally.patterns, ranked)
    columns: dict[str, list[Any]] = {
        name: [group for group, _ in ranked],
        "layer": [head[0] for _, head in ranked],
        "head": [head[1] for _, head in ranked],
        share_name: intervals(every, _whole(sample, tally, name, ranked)),
        "patterns": [int(n) for n in every.sum(0)],
        **_carried(tally, ranked),
    }
    shown = {
        name: count("layer") if name == "layer" else text(grouped),
        "layer": count("layer"),
        "head": count("head"),
        share_name: share(heading),
        "influence_share": _CARRIED["influence_share"],
        "patterns": count("patterns"),
        "influence": _CARRIED["influence"],
    }
    stability = sum(stabilities) / len(stabilities) if stabilities else None
    title = f"First {few} of each {'role that heads write to' if name == 'destination' else name}"
    note = sample.note(stability_note(few, stability))
    return as_table(title, sample.scoped(layer=layer), shown, note, records=_records(columns))


def _grouped(name: str, pattern: Record, head: tuple[int, int], destination: str) -> tuple[Any, Any]:
    group = {"layer": head[0], "role": pattern["role"], "destination": destination}[name]
    return group, head


def _first_of_each(tally: Tally, rank: Rank, few: int) -> tuple[list[Any], list[float]]:
    """Return the first candidates of each group, and the stabilities of the groups that have one."""
    places: dict[Any, list[int]] = defaultdict(list)
    for place, (group, _) in enumerate(tally.candidates):
        places[group].append(place)
    table, ranked, stabilities = _ranked(tally, rank), [], []
    for of_group in places.values():
        some, stability = first([tally.candidates[k] for k in of_group], table[:, of_group], few)
        ranked += some
        stabilities += [] if stability is None else [stability]
    return ranked, stabilities


def _whole(sample: Sample, tally: Tally, name: str, ranked: Sequence[tuple[Any, Any]]) -> Any:
    """Return what the share of a head in its group is of, [instances, candidates]."""
    if name == "role":
        words = sample.tally(lambda p: [p["role"]])
        return words.at(words.patterns, [group for group, _ in ranked])
    place = 0 if name == "layer" else 1
    sums: dict[Any, Any] = {}
    for candidate in {one[place] for one in ranked}:
        alike = [one for one in tally.candidates if one[place] == candidate]
        sums[candidate] = tally.at(tally.patterns, alike).sum(1)
    import numpy as np

    return np.array([sums[one[place]] for one in ranked]).T if ranked else 1.0


def subpaths(
    store: "Store",
    *,
    run: RunId = "",
    level: AtLevel = "",
    k: Annotated[int, "Nodes of a subpath."] = 3,
    by: Annotated[
        Literal["position", "role", "target"],
        "What names the place of a node: its position, its role, or its position relative to the target.",
    ] = "position",
    subtask: Subtask = "",
    condition: Condition = "",
    role: Role = "",
    sign: Sign = 0,
    rank: RankBy = "count",
    limit: Limit = 20,
) -> list[Table]:
    """Sequences of k nodes that the patterns of most instances share, or that carry the most influence."""
    if by not in SUBPATHS:
        raise unknown("kind of subpath", by, SUBPATHS)
    if k < 2:
        raise UsageError(f"a subpath has at least 2 nodes; you asked for k = {k}")
    _check(rank, limit)
    sample = Sample.of(store, by=by, level=level, **_scope(run, subtask, condition, role, sign))
    tally = sample.tally(lambda p: _subpaths_of(p, k, ROLE_LABEL_WIDTH if by == "role" else LABEL_WIDTH))
    ranked, stability = first(tally.candidates, _ranked(tally, rank, tally.used), limit)
    used = tally.at(tally.used, ranked)
    columns: dict[str, list[Any]] = {
        "subpath": ranked,
        "instances": [int(n) for n in used.sum(0)],
        "instance_share": intervals(used),
        "patterns": [int(n) for n in tally.at(tally.patterns, ranked).sum(0)],
        **_carried(tally, ranked),
    }
    shown = {
        "subpath": text("subpath"),
        "instance_share": share("of instances"),
        "influence_share": _CARRIED["influence_share"],
        "instances": count("instances"),
        "patterns": count("patterns"),
        "influence": _CARRIED["influence"],
    }
    note = sample.note(KEY, INFLUENCE, stability_note(len(ranked), stability))
    title = f"Shared subpaths of {k} nodes, {SUBPATHS[by]}"
    return [as_table(title, sample.scoped(k=k), shown, note, records=_records(columns))]


def _subpaths_of(pattern: Record, k: int, width: int) -> Iterator[str]:
    route, stride = pattern["route"], width + 1
    for start in range(0, len(route) - k * stride + 2, stride):
        yield route[start : start + k * stride - 1]


def _ranked(tally: Tally, rank: Rank, counted: Any = None) -> Any:
    """Return what candidates are ranked by, per instance."""
    if rank == "influence":
        return tally.weights
    return tally.patterns if counted is None else counted


def _carried(tally: Tally, ranked: Iterable[Any]) -> dict[str, list[Any]]:
    """Return the influence through candidates: their share of an instance's sum, and their sum."""
    ranked = list(ranked)
    return {
        "influence_share": intervals(tally.at(tally.parts, ranked)),
        "influence": intervals(tally.at(tally.weights, ranked)),
    }


def _records(columns: dict[str, list[Any]]) -> list[Record]:
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _check(rank: str, limit: int) -> None:
    if rank not in RANKS:
        raise unknown("ranking", rank, RANKS)
    require_limit(limit)


def through_head(
    store: "Store",
    *,
    role: Role,
    layer: Annotated[int, "Layer, from 1."],
    head: Annotated[int, "Head, from 1."],
    run: RunId = "",
    subtask: Subtask = "",
    condition: Condition = "",
    sign: Sign = 0,
    limit: Limit = 50,
) -> list[Table]:
    """Instances in which a word of a role passes through a head (counted from 1)."""
    scope = _scope(run, subtask, condition, role, sign)
    rows = ask("instances-through-head", store, **scope, layer=layer, head=head, limit=NO_LIMIT)
    columns = {
        "instance": text("instance"),
        "condition": text("condition"),
        "text": text("text"),
        "word": text("word"),
        "position": count("position"),
        "destination": count("to position"),
        "influence": signed("influence"),
    }
    return [as_table(f"{role} through head {head} of layer {layer}", rows, columns, limit=limit)]


def _scope(run: str, subtask: str, condition: str, role: str, sign: int) -> Parameters:
    """Return what these reports share as a query's parameters."""
    return {"run": run, "subtask": subtask, "condition": condition, "role": role, "sign": sign}


REPORTS = (
    Report("skip-share", "Skips and heads", skip_share, needs="attention"),
    Report("heads", "Heads", heads, needs="attention"),
    Report("subpaths", "Subpaths", subpaths),
    Report("through-head", "Through a head", through_head, needs="attention"),
)
