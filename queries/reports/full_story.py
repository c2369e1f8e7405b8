"""The report on hidden token attribution: what Pascual et al. (2021) ask of local and global views."""

from typing import TYPE_CHECKING

from ipgraph.graphstore.common.bootstrap import Interval
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.schema.records import Run
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Rows, ask
from ipgraph.queries.reports.declaration import Condition, Limit, Report, RunId, Subtask
from ipgraph.queries.reports.parts import OUR_CHOICE, as_table
from ipgraph.queries.reports.runs import facts
from ipgraph.queries.reports.sample import first, intervals, stability_note
from ipgraph.queries.reports.scores import MIXING, Scored, layers
from ipgraph.queries.reports.tables import Table, TableColumn, count, number, text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ipgraph.graphstore.store.protocol import Store

    Floats = npt.NDArray[np.float64]

METHODS = ("hta",)
PATTERNS = ("previous", "same", "next", "first", "last")
"""Which token a view's mass is on, in the order of `View`'s masses."""
VIEWS = "local: attention over the layer before; global: what the output takes from each token"


def full_story(
    store: "Store", *, run: RunId = "", subtask: Subtask = "", condition: Condition = "", limit: Limit = 5
) -> list[Table]:
    """Hidden token attribution: how local and global views of heads differ, what persists, what mixes."""
    scored = Scored.of(store, METHODS, run, subtask, condition)
    where: Parameters = {"run": scored.run.id, "subtask": subtask, "condition": condition}
    views = ask("views-by-instance", store, **where, limit=NO_LIMIT)
    return [
        facts(scored.run),
        *_by_layer(scored, views),
        _heads(scored, views, limit),
        _patterns(scored, views),
    ]


def _by_head(scored: Scored, views: Rows, column: str) -> "Floats":
    """Return a column's numbers as [instances, layers, heads, numbers of a head]."""
    import numpy as np

    lists = [row[column] for row in views]
    each = max(1, scored.run.layers * scored.run.heads)
    size = len(lists[0]) // each if lists else 0
    return np.array(lists, float).reshape(len(lists), scored.run.layers, scored.run.heads, size)


def _by_layer(scored: Scored, views: Rows) -> list[Table]:
    divergences, correlations = (
        _by_head(scored, views, name)[..., 0] for name in ("divergences", "correlations")
    )
    shown = {
        "divergence": (number("divergence"), divergences.mean(2)),
        "correlation": (number("Spearman", 2), correlations.mean(2)),
        "mixing": (number("mixing"), scored.by_layer("mixing")),
    }
    note = f"{VIEWS}; divergence: Jensen-Shannon, in bits, mean over heads†; {MIXING}; {OUR_CHOICE}"
    return layers(scored, shown, "Local and global views by layer", note)


def _heads(scored: Scored, views: Rows, limit: int) -> Table:
    """Return the heads whose two views differ most."""
    divergences, correlations = (
        _by_head(scored, views, name).reshape(len(views), -1) for name in ("divergences", "correlations")
    )
    heads = list(range(divergences.shape[1])) if len(views) else []
    ranked, stability = first(heads, divergences, limit)
    cells = zip(intervals(divergences[:, ranked]), intervals(correlations[:, ranked]), strict=True)
    records = [
        {
            "layer": head // scored.run.heads + 1,
            "head": head % scored.run.heads + 1,
            "divergence": divergence,
            "correlation": correlation,
        }
        for head, (divergence, correlation) in zip(ranked, cells, strict=True)
    ]
    columns = {
        "layer": count("layer"),
        "head": count("head"),
        "divergence": number("divergence"),
        "correlation": number("Spearman", 2),
    }
    note = scored.note(stability_note(limit, stability))
    return as_table("Heads whose views differ most", views, columns, note, records=records)


def _patterns(scored: Scored, views: Rows) -> Table:
    """Return the mass of both views on each pattern by layer, beside what equal attention would give."""
    masses = {
        view: _by_head(scored, views, f"{view}_masses").mean(2).reshape(len(views), -1)
        for view in ("local", "global")
    }
    found = {view: intervals(values) for view, values in masses.items() if values.size}
    records = [
        {
            "pattern": pattern,
            "view": view,
            **{f"layer_{at + 1}": cells[at * len(PATTERNS) + k] for at in range(scored.run.layers)},
        }
        for k, pattern in enumerate(PATTERNS)
        for view, cells in found.items()
    ]
    widest = max((cell.high - cell.low for cells in found.values() for cell in cells if cell), default=0.0)
    note = scored.note(
        "share of mass on the token before, the own, the one after, the first and the last, mean over heads†",
        _equal_attention(scored.run, [row["tokens"] for row in views]),
        f"intervals are at most {widest:.1%} wide",
        OUR_CHOICE,
    )
    columns = {"pattern": text("pattern"), "view": text("view")}
    columns |= {f"layer_{at}": TableColumn(f"{at}", ".0%", "right") for at in range(1, scored.run.layers + 1)}
    rows = [{name: _value(cell) for name, cell in record.items()} for record in records]
    return as_table("Patterns that persist, by layer", views, columns, note, records=rows)


def _equal_attention(run: Run, tokens: list[int]) -> str:
    """Return what a token gets where all get the same; of a decoder, the own and the first, which all see."""
    import numpy as np

    if not tokens:
        return ""
    if any(layer.ahead != 0 for layer in GraphShape.from_json(run.graph).layers):
        return f"equal attention: {np.mean([1 / n for n in tokens]):.1%}"
    means = [np.mean(1 / np.arange(1, n + 1)) for n in tokens]
    return f"equal attention to no later token: {np.mean(means):.1%} on the own, as on the first"


def _value(cell: object) -> object:
    return cell.value if isinstance(cell, Interval) else cell


REPORTS = (Report("full-story", "The full story", full_story, needs="method", methods=METHODS),)
