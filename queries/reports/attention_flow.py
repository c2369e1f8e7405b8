"""The report on attention flow and rollout: what Abnar and Zuidema (2020) and Metzger et al. (2022) ask."""

from typing import TYPE_CHECKING

from ipgraph.queries.language.running import Record
from ipgraph.queries.reports.declaration import Condition, Limit, Report, RunId, Subtask
from ipgraph.queries.reports.runs import facts
from ipgraph.queries.reports.sample import intervals
from ipgraph.queries.reports.scores import MIXING, Scored, agreement, by_role, layers
from ipgraph.queries.reports.tables import Table, number, share, text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ipgraph.graphstore.common.bootstrap import Interval
    from ipgraph.graphstore.store.protocol import Store

    Floats = npt.NDArray[np.float64]

METHODS = ("flow", "rollout", "flow_shapley")


def flow(
    store: "Store", *, run: RunId = "", subtask: Subtask = "", condition: Condition = "", limit: Limit = 10
) -> list[Table]:
    """Attention flow: shares by role, the spread of the scores, minimum cuts, and whether others agree."""
    scored = Scored.of(store, METHODS, run, subtask, condition)
    return [
        facts(scored.run),
        by_role(scored),
        _spread(scored),
        *_by_layer(scored),
        agreement(store, scored, limit),
    ]


def _spread(scored: Scored) -> Table:
    """Return how far apart the scores of a text lie: flow saturates with depth."""
    import numpy as np

    rows: list[list[object]] = []
    found = [spread for row in scored.instances if (spread := _spread_of(row))]
    if found:
        *ratios, entropy, bound, part = intervals(np.array(found))
        said = (
            "largest / smallest score above 0, geometric mean",
            "largest / smallest of the words alone, geometric mean",
            "entropy of the scores, in bits",
            "entropy of as many equal scores, in bits",
            "entropy as a share of that",
        )
        cells = [*(ratio and _power(ratio) for ratio in ratios), entropy, bound, part]
        rows = [[what, cell] for what, cell in zip(said, cells, strict=True)]
    note = scored.note("flow saturates with depth: where scores are nearly equal, their order says little")
    columns = (text("spread of the scores in a text"), number("value"))
    return Table("Spread", columns, rows, note if rows else "nothing found", scored.rows.cypher)


def _spread_of(row: Record) -> list[float] | None:
    """Return the binary logarithms of largest over smallest, the entropy, its bound and the share of it.

    Of scores above 0; None where there are none. Of one score, the entropy is all of its bound, 0.
    """
    import numpy as np

    above = np.array([score for score in row["scores"] if score > 0])
    if not above.size:
        return None
    scored = zip(row["scores"], row["word_indices"], strict=True)
    words = np.array([score for score, index in scored if score > 0 and index >= 0])
    parts = above / above.sum()
    entropy, bound = float(-(parts * np.log2(parts)).sum()), float(np.log2(above.size))
    ratios = [float(np.log2(one.max() / one.min())) if one.size else 0.0 for one in (above, words)]
    return [*ratios, entropy, bound, entropy / bound if bound else 1.0]


def _power(logarithm: "Interval") -> "Interval":
    """Return two to the power of a value and of its interval's ends."""
    return type(logarithm)(2**logarithm.value, 2**logarithm.low, 2**logarithm.high)


def _by_layer(scored: Scored) -> list[Table]:
    """Return which layers hold the minimum cuts, and how much has mixed after each layer."""
    shown = {
        "cut_share": (share("minimum cuts"), _cut_shares(scored)),
        "mixing": (number("mixing"), scored.by_layer("mixing")),
    }
    note = f"minimum cuts: share of an instance's tokens whose cheapest cut lies there; {MIXING}"
    return layers(scored, shown, "By layer", note)


def _cut_shares(scored: Scored) -> "Floats":
    """Return the share of each instance's tokens whose minimum cut a layer holds, [instances, layers]."""
    import numpy as np

    cuts = [np.array([layer for layer in row["cut_layers"] if layer], int) for row in scored.instances]
    if not any(layers.size for layers in cuts):
        return np.zeros((len(cuts), 0))
    depth = max(int(one.max(initial=0)) for one in cuts)
    return np.array([np.bincount(one, minlength=depth + 1)[1:] / max(1, one.size) for one in cuts])


REPORTS = (Report("flow", "Attention flow", flow, needs="method", methods=METHODS),)
