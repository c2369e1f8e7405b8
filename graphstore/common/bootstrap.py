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

    def __str__(self) -> str:
        """Return it as it prints, such as `0.95 [0.88, 1.00]`."""
        size = abs(self.value)
        style = ".2f" if 0.1 <= size < 1e4 or not size else ".4f" if 0.001 <= size < 0.1 else ".1e"
        return f"{self.value:{style}} [{self.low:{style}}, {self.high:{style}}]"


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
