"""The report on ALTI and its relatives: what Ferrando et al. (2022) ask."""

from typing import TYPE_CHECKING, Annotated

from ipgraph.queries.language.running import Record, ask
from ipgraph.queries.reports.declaration import Condition, Limit, Report, RunId, Subtask
from ipgraph.queries.reports.parts import as_table
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
        scored.facts(),
        by_role(scored),
        layers(scored, {"mixing": (number("mixing"), scored.by_layer("mixing"))}, "Mixing by layer", MIXING),
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
    where = {"run": scored.run.id, "subtask": subtask, "condition": condition, "own": own}
    rows = ask("contributions", store, **where, limit=limit)
    note = "mean entries of the layer matrices over the sentences of the group's most frequent structure"
    note += "" if own else "; without what a position takes from itself"
    records = [_edge(row, roles) for row in rows]
    return as_table("Edges that carry most", rows, columns, note, records=records)


def _edge(row: Record, roles: list[str]) -> Record:
    """Return an edge with the roles of its positions, or where there are two stacks, with their names."""
    ends = {"source": row["reads"], "destination": row["stack"]}
    is_double = 2 in ends.values()
    for name, stack in ends.items():
        place = row[name]
        said = ("encoder" if stack == 1 else "decoder") if is_double else "".join(roles[place : place + 1])
        row[name] = f"{said} {place}".strip() if is_double else f"{place} {said}".strip()
    return row


REPORTS = (Report("alti", "ALTI", alti, needs="method", methods=METHODS),)
