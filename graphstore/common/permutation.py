"""Tests of differences by permutation: of two groups of instances, and of pairs.

p = (1 + hits) / (1 + draws): a hit is a drawn labelling whose |difference| is at least that of the data. One
set of labellings serves all candidates, so that their p-values can be adjusted together.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

DRAWS = 9_999
FALSE_DISCOVERY_RATE = 0.05
SEED = 0
_BLOCK = 500
_ROUNDING = 1e-9
"""By how much of the sum of the terms' sizes two equal differences may differ."""


def group_p_values(values: "npt.ArrayLike", is_first: "npt.ArrayLike", draws: int = DRAWS) -> "Floats":
    """Return the p-value of each candidate's difference of means between two groups of instances.

    `values` [instances, candidates]; `is_first` [instances] tells the groups, whose labels are permuted.
    Raises ValueError where a group is empty.
    """
    import numpy as np

    first, table = np.asarray(is_first, bool), np.asarray(values, np.float64)
    if not 0 < first.sum() < len(first):
        raise ValueError("each group must hold an instance")
    weights = np.where(first, 1 / first.sum(), -1 / (~first).sum())
    return _p_values(weights, table, draws, lambda generator, rows: generator.permuted(rows, axis=1))


def paired_p_values(differences: "npt.ArrayLike", draws: int = DRAWS) -> "Floats":
    """Return the p-value of each candidate's mean difference over pairs, whose signs are flipped.

    `differences` [instances, candidates]. Raises ValueError where there is no pair.
    """
    import numpy as np

    table = np.asarray(differences, np.float64)
    if not len(table):
        raise ValueError("there is no pair to test")
    weights = np.full(len(table), 1 / len(table))
    return _p_values(
        weights, table, draws, lambda generator, rows: rows * generator.choice((-1.0, 1.0), rows.shape)
    )


def _p_values(
    weights: "Floats",
    table: "Floats",
    draws: int,
    drawn: "Callable[[np.random.Generator, Floats], Floats]",
) -> "Floats":
    """Return p-values of weighted sums over instances, `drawn` making labellings of copies of the weights."""
    import numpy as np

    least = np.abs(weights @ table) - _ROUNDING * (np.abs(weights) @ np.abs(table))
    generator, hits = np.random.default_rng(SEED), np.zeros(table.shape[1])
    for start in range(0, draws, _BLOCK):
        rows = np.tile(weights, (min(_BLOCK, draws - start), 1))
        hits += (np.abs(drawn(generator, rows) @ table) >= least).sum(0)
    p: Floats = (1 + hits) / (1 + draws)
    return p


def adjusted(p_values: "npt.ArrayLike") -> "Floats":
    """Return p-values adjusted together (Benjamini-Hochberg): up to q, the false discovery rate is q."""
    import numpy as np
    from scipy.stats import false_discovery_control

    p = np.asarray(p_values, np.float64)
    controlled: Floats = false_discovery_control(p) if len(p) else p
    return controlled
