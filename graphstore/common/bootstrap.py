"""95% intervals by resampling instances: the percentile bootstrap, reproducible by its seed.

Every interval of a report or an evaluation comes from here. A statistic is a function of how often each
instance is in a sample. It is computed at once for the sample itself, which has every instance once, and for
all of its resamples.
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
        return format(
            self, ".2f" if 0.1 <= size < 1e4 or not size else ".4f" if 0.001 <= size < 0.1 else ".1e"
        )

    def __format__(self, style: str) -> str:
        """Return it with each number in one format, such as `95.0% [88.0%, 100.0%]` for `.1%`."""
        if not style:
            return str(self)
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

    `counts` [samples, instances]; `numerators` [instances] or, of several candidates at once, [instances,
    candidates]; `denominators` like them, [instances], or 1, with which the ratio is the mean.
    """
    import numpy as np

    above = counts @ np.asarray(numerators, np.float64)
    below = counts @ np.broadcast_to(denominators, np.shape(denominators) or counts.shape[1:])
    below = below.reshape(*below.shape, *(1,) * (above.ndim - below.ndim)) + np.zeros_like(above)
    quotients: Floats = np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)
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


def intervals(values: "Floats") -> list[Interval]:
    """Return the interval of each candidate of `values` [samples, candidates]."""
    return [interval(column) for column in values.T]


def share_interval(part: int, whole: int, seed: int = 0) -> Interval | None:
    """Return the share of instances of some kind, with its interval; None of no instances."""
    if not whole:
        return None
    return ratio_interval([1.0] * part + [0.0] * (whole - part), [1.0] * whole, seed)


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float], seed: int = 0) -> Interval:
    """Return the ratio of two sums over instances, one number per instance each, with its interval.

    Resamples whose denominators sum to zero are left out; where the whole sum is zero, all three are nan.
    """
    if not any(denominators):
        return Interval(float("nan"), float("nan"), float("nan"))
    return interval(ratios(Bootstrap(seed=seed).counts(len(numerators)), numerators, denominators))
