"""95% intervals by resampling instances: the percentile bootstrap, reproducible by its seed.

A statistic is a function of how often each instance is in a sample. It is computed at once for the sample
itself, which has every instance once, and for all of its resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it as it prints, such as `0.95 [0.88, 1.00]`."""
        size = abs(self.value)
        style = ".2f" if 0.1 <= size < 1e4 or not size else ".4f" if 0.001 <= size < 0.1 else ".1e"
        return f"{self.value:{style}} [{self.low:{style}}, {self.high:{style}}]"


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How often instances are resampled, and from which seed."""

    resamples: int = RESAMPLES
    seed: int = 0

    def counts(self, instances: int) -> "Floats":
        """Return how often each instance is in the sample (once), then in each resample, [1 + R, instances].

        Raises ValueError where there is no instance.
        """
        import numpy as np

        if not instances:
            raise ValueError("there is no instance to resample")
        generator = np.random.default_rng(self.seed)
        drawn = generator.multinomial(instances, np.full(instances, 1 / instances), self.resamples)
        return np.vstack([np.ones(instances), drawn])


def ratios(counts: "Floats", numerators: "npt.ArrayLike", denominators: "npt.ArrayLike" = 1.0) -> "Floats":
    """Return the ratio of two sums over instances in each sample; nan where the denominators sum to zero.

    `counts` [samples, instances]; the others hold one number per instance. With denominators of 1 it is the
    mean.
    """
    import numpy as np

    above, below = (counts @ np.broadcast_to(x, counts.shape[1:]) for x in (numerators, denominators))
    quotients: Floats = np.divide(above, below, out=np.full_like(below, np.nan), where=below != 0)
    return quotients


def interval(values: "Floats") -> Interval:
    """Return the value in the sample, `values[0]`, with the percentiles of those in its resamples.

    Resamples in which the statistic is nan are left out. Where it is nan in the sample, all three are.
    """
    import numpy as np

    if np.isnan(values[0]):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.nanquantile(values[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(values[0]), float(low), float(high))


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float], seed: int = 0) -> Interval:
    """Return the ratio of two sums over instances, one number per instance each, with its interval.

    Resamples whose denominators sum to zero are left out; where the whole sum is zero, all three are nan.
    """
    if not any(denominators):
        return Interval(float("nan"), float("nan"), float("nan"))
    return interval(ratios(Bootstrap(seed=seed).counts(len(numerators)), numerators, denominators))
