"""Correlations of few points; p-values are by permutation: exact up to 8 points, else drawn and seeded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

EXACT_UP_TO = 8
DRAWN = 10_000

Coefficient = Literal["pearson", "spearman"]


@dataclass(frozen=True, slots=True)
class Correlation:
    """A coefficient with the share of permutations whose coefficient is as far from zero (two-sided)."""

    value: float
    p: float


def spearman(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Return Spearman's rho; None of under 3 points or a constant side."""
    if len(xs) < 3:
        return None
    import numpy as np
    from scipy.stats import rankdata

    x, y = (np.asarray(rankdata(values), float) - (len(values) + 1) / 2 for values in (xs, ys))
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread else None


def correlate(
    coefficient: Coefficient, xs: Sequence[float], ys: Sequence[float], seed: int = 0
) -> Correlation | None:
    """Return a correlation with its permutation p-value; None of under 3 points or a constant side.

    Of drawn permutations the sample itself counts as one, so that no p-value is zero.
    """
    if len(xs) < 3 or len(set(xs)) == 1 or len(set(ys)) == 1:
        return None
    import numpy as np
    from scipy.stats import pearsonr, permutation_test, rankdata

    # Spearman's rho is Pearson's r of the ranks.
    x, y = (np.asarray(rankdata(v) if coefficient == "spearman" else v, float) for v in (xs, ys))

    def strength(permuted: "Floats", axis: int) -> "Floats":
        strengths: Floats = np.abs(pearsonr(permuted, y, axis=axis).statistic)
        return strengths

    drawn = math.factorial(len(x)) if len(x) <= EXACT_UP_TO else DRAWN
    test = permutation_test(
        (x,),
        strength,
        permutation_type="pairings",
        alternative="greater",
        vectorized=True,
        n_resamples=drawn,
        rng=seed,
    )
    return Correlation(float(pearsonr(x, y).statistic), float(test.pvalue))
