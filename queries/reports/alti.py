"""The report on ALTI and its relatives: what Ferrando et al. (2022) ask."""

from typing import TYPE_CHECKING, Annotated

from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.queries.language.running import Parameters, ask
from ipgraph.queries.reports.declaration import Condition, Limit, Report, RunId, Subtask
from ipgraph.queries.reports.parts import as_table
from ipgraph.queries.reports.runs import facts
from ipgraph.queries.reports.scores import MIXING, Scored, agreement, by_role, largest_group, layers
from ipgraph.queries.reports.tables import Table, count, number, text

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

METHODS = ("alti", "alti_l2", "norm", "globenc")

Own = Annotated[bool, "Whether what a position takes from itself is among the edges."]


def alti(
    store: "Store",
    *,
    run: RunId = "",
    subtask: Subtask = "",
    condition: Condition = "",
    own: Own = False,
    limit: Limit = 10,
) -> list[Table]:
    """ALTI: shares by role, mixing by layer, whether other methods agree, and the edges that carry most."""
    scored = Scored.of(store, METHODS, run, subtask, condition)
    return [
        facts(scored.run),
        by_role(scored),
        *layers(scored, {"mixing": (number("mixing"), scored.by_layer("mixing"))}, "Mixing by layer", MIXING),
        agreement(store, scored, limit),
        _edges(store, scored, own=own, limit=limit),
    ]


def _edges(store: "Store", scored: Scored, *, own: bool, limit: int) -> Table:
    """Return the largest entries of the mean layer matrices of the commonest structure."""
    columns = {
        "layer": count("layer"),
        "source": text("from"),
        "destination": text("to"),
        "mean": number("mean share"),
        "instances": count("instances"),
    }
    if not scored.instances:
        return as_table("Edges that carry most", scored.rows, columns, records=[])
    subtask, condition, roles = largest_group(scored)
    where: Parameters = {"run": scored.run.id, "subtask": subtask, "condition": condition, "own": own}
    rows = ask("contributions", store, **where, limit=limit)
    note = "mean entries of the layer matrices over the sentences of the group's most frequent structure"
    note += "" if own else "; without what a position takes from itself"
    has_two_stacks = GraphShape.from_json(scored.run.graph).stacks > 1
    records = [
        row
        | {end: _place(row[end], roles, row[stack] if has_two_stacks else 0) for end, stack in _ENDS.items()}
        for row in rows
    ]
    return as_table("Edges that carry most", rows, columns, note, records=records)


_ENDS = {"source": "reads", "destination": "stack"}
"""The ends of an edge, and the columns with their stacks."""


def _place(position: int, roles: list[str], stack: int) -> str:
    """Return a position with its role; of an encoder-decoder, with the name of its stack (1 or 2)."""
    if stack:
        return f"{'encoder' if stack == 1 else 'decoder'} {position}"
    return " ".join([str(position), *roles[position : position + 1]])


REPORTS = (Report("alti", "ALTI", alti, needs="method", methods=METHODS),)
