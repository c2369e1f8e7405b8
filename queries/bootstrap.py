"""95% intervals by resampling instances: the percentile bootstrap, reproducible by its seed."""

from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the ends of its interval."""

    value: float
    low: float
    high: float


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float], seed: int = 0) -> Interval:
    """Return the ratio of two sums over instances (one number an instance each), with its interval.

    Resamples whose denominators sum to zero are left out; where the whole sum is zero, the figure is nan.
    """
    import numpy as np

    pairs = np.stack([np.asarray(numerators, float), np.asarray(denominators, float)])
    if not pairs[1].sum():
        return Interval(float("nan"), float("nan"), float("nan"))
    count = pairs.shape[1]
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    above, below = pairs @ drawn.T
    ratios = above[below != 0] / below[below != 0]
    low, high = np.quantile(ratios, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(pairs[0].sum() / pairs[1].sum()), float(low), float(high))
