"""What changes with depth: how far tokens mix, and how heads' local views differ from their global ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipgraph.graphstore.common.bootstrap import Bootstrap, intervals, ratios
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.records import VIEWED, Run
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, ask
from ipgraph.queries.views.charts import Point, Series
from ipgraph.queries.views.scope import scope_name

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ipgraph.graphstore.store.protocol import Store

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LocalGlobal:
    """How heads look at the layer before (local) and at the tokens (global), means over instances.

    `divergences[layer - 1][head - 1]` are in bits; `masses` are by place the local and the global mass of a
    layer, means over its heads too.
    """

    divergences: tuple[tuple[float, ...], ...]
    masses: tuple[tuple[str, tuple[Series, Series]], ...]


def mixing(
    store: "Store", run: Run, name: str, *, subtask: str = "", condition: str = "", seed: int = 0
) -> Series:
    """Return by layer the share that is not the own token's, with 95% intervals over instances, as `name`.

    Raises UsageError where there is none: of another method, an encoder-decoder, or no such instance.
    """
    scope: Parameters = {"run": run.id, "subtask": subtask, "condition": condition}
    rows = ask("attributions-by-instance", store, **scope, limit=NO_LIMIT)
    layers = [row["mixing"] for row in rows if row["mixing"]]
    if not layers:
        of = f" of {scope_name(subtask, condition)}" if subtask or condition else ""
        what = "its model is an encoder-decoder" if run.task == "seq2seq" else f"its method is {run.method}"
        raise UsageError(f"run {run.id} has no mixing by layer{of}: {what}")
    return Series(name, _points(layers, seed))


def local_global(
    store: "Store", run: Run, *, subtask: str = "", condition: str = "", seed: int = 0
) -> LocalGlobal:
    """Return how a run's heads see their layer and the tokens, with 95% intervals over instances.

    Raises UsageError where no instance is of the subtask and condition.
    """
    import numpy as np

    scope: Parameters = {"run": run.id, "subtask": subtask, "condition": condition}
    rows = ask("views-by-instance", store, **scope, limit=NO_LIMIT).records()
    if not rows:
        raise UsageError(f"run {run.id} has no views of heads of {scope_name(subtask, condition)}")
    shape = (len(rows), run.layers, run.heads)
    divergences = np.array([row["divergences"] for row in rows]).reshape(shape).mean(0)
    local, overall = (
        np.array([row[f"{view}_masses"] for row in rows]).reshape(*shape, len(VIEWED)).mean(2)
        for view in ("local", "global")
    )
    masses = tuple(
        (
            place,
            (
                Series("local", _points(local[:, :, n], seed)),
                Series("global", _points(overall[:, :, n], seed)),
            ),
        )
        for n, place in enumerate(VIEWED)
    )
    return LocalGlobal(tuple(map(tuple, divergences.tolist())), masses)


def _points(layers: "Sequence[Sequence[float]] | Floats", seed: int) -> tuple[Point, ...]:
    """Return the mean over instances of each layer, of values [instances, layers]."""
    means = intervals(ratios(Bootstrap(seed=seed).counts(len(layers)), layers))
    return tuple(Point(layer, mean.value, mean.low, mean.high) for layer, mean in enumerate(means, 1))
