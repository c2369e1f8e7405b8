"""Reports on what patterns pass through: skips and heads, shared subpaths, one head."""

from typing import TYPE_CHECKING, Annotated, Literal

from ipgraph.graphstore.common.errors import unknown
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, ask
from ipgraph.queries.reports.declaration import AtLevel, Condition, Limit, Report, Role, RunId, Sign, Subtask
from ipgraph.queries.reports.parts import as_table, first_of_each
from ipgraph.queries.reports.tables import Table, count, share, signed, text
from ipgraph.queries.views.labels import KEY

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

SUBPATHS = {"position": "by absolute position", "role": "by role", "target": "relative to the target"}
_SKIPS = {
    "skips": count("skips"),
    "heads": count("heads"),
    "skip_share": share("skip share"),
    "skip_share_staying": share("of staying steps"),
}
_SKIP_NOTE = (
    "skip share: skips / (skips + heads); of staying steps: skips / steps that stay at their position"
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
    scope = _scope(run, subtask, condition, role, sign)
    parts = [
        ("all", "Skip versus head share", {}),
        ("layer", "Per layer", {"layer": count("layer")}),
        ("role", "Per role of the word", {"role": text("role")}),
        ("condition", "Per condition", {"subtask": text("subtask"), "condition": text("condition")}),
    ]
    return [
        as_table(
            title, ask("skip-share", store, **scope, by=by), first | _SKIPS, _SKIP_NOTE if not first else ""
        )
        for by, title, first in parts
    ]


def heads(
    store: "Store",
    *,
    run: RunId = "",
    subtask: Subtask = "",
    condition: Condition = "",
    role: Role = "",
    sign: Sign = 0,
    layer: Annotated[int, "Only heads of this layer; 0 for all."] = 0,
    limit: Limit = 10,
) -> list[Table]:
    """Heads ranked by traversal: over all layers, and the first of each layer, role and destination."""
    scope = {**_scope(run, subtask, condition, role, sign), "layer": layer}
    head = {"layer": count("layer"), "head": count("head"), "patterns": count("patterns")}
    top = ask("heads-by-traversal", store, **scope, limit=limit)
    layers = ask("heads-by-layer", store, **scope)
    roles, places = (ask(f"heads-by-{by}", store, **scope, limit=NO_LIMIT) for by in ("role", "destination"))
    few = max(1, limit // 3)
    return [
        as_table(
            "Heads ranked by traversal",
            top,
            {**head, "pattern_share": share("of patterns"), "instance_share": share("of instances")},
            "heads count from 1 in each layer",
        ),
        as_table(
            f"First {few} of each layer",
            layers,
            {**head, "layer_share": share("of the layer's head steps")},
            records=first_of_each(layers, "layer", few),
        ),
        as_table(
            f"First {few} of each role",
            roles,
            {"role": text("role of the word"), **head, "role_share": share("of the role's patterns")},
            records=first_of_each(roles, "role", few),
        ),
        as_table(
            f"First {few} of each role that heads write to",
            places,
            {"destination": text("role written to"), **head, "head_share": share("of the head's patterns")},
            records=first_of_each(places, "destination", few),
        ),
    ]


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
    limit: Limit = 20,
) -> list[Table]:
    """Sequences of k nodes that the patterns of most instances share."""
    if by not in SUBPATHS:
        raise unknown("kind of subpath", by, SUBPATHS)
    scope = _scope(run, subtask, condition, role, sign)
    rows = ask("shared-subpaths", store, **scope, level=level, k=k, by=by, limit=limit)
    columns = {
        "subpath": text("subpath"),
        "instances": count("instances"),
        "instance_share": share("of instances"),
        "patterns": count("patterns"),
    }
    return [as_table(f"Shared subpaths of {k} nodes, {SUBPATHS[by]}", rows, columns, KEY)]


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
