"""Figures over instances with bootstrap intervals: what an evaluation collects and what it makes of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ipgraph.graphstore.schema.records import Measure

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

INTERVAL = (2.5, 97.5)
"""Percentiles of the resampled values that bound the 95% interval."""


class Key(NamedTuple):
    """What a figure is of; `note` is kept beside it and does not identify it."""

    metric: str
    method: str
    level: str
    variant: str = ""
    note: str = ""


class Collected:
    """Each figure's numerator and denominator in every instance; a figure is the ratio of their sums.

    A mean has denominators of 1, and 0 where an instance has no value.
    """

    def __init__(self, instances: int) -> None:
        self.instances = instances
        self.ratios: dict[Key, Floats] = {}
        self.draws: dict[Key, Floats] = {}
        self.words: dict[Key, dict[int, Floats]] = {}

    def add(
        self,
        key: Key,
        index: Sequence[int] | Ints,
        numerator: npt.ArrayLike,
        denominator: npt.ArrayLike = 1.0,
    ) -> None:
        """Set the values of some instances; one that is not finite counts as none."""
        values = self.ratios.setdefault(key, np.zeros((self.instances, 2)))
        top, bottom = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
        real = np.isfinite(top) & np.isfinite(bottom)
        values[index] = np.stack([np.where(real, top, 0.0), np.where(real, bottom, 0.0)], -1)

    def add_draws(self, key: Key, index: Sequence[int] | Ints, values: npt.ArrayLike) -> None:
        """Set values [n, draws] of some instances; the figure is the draws' spread, resampled over draws."""
        values = np.asarray(values, float)
        self.draws.setdefault(key, np.zeros((self.instances, values.shape[1])))[index] = values

    def add_words(self, key: Key, index: int, values: Floats) -> None:
        """Set an instance's values, one a word; the figure is the median over all words."""
        self.words.setdefault(key, {})[index] = values


def resamples(instances: int, repeats: int, seed: int) -> Ints:
    """Return how often each instance is in each bootstrap sample, [repeats, instances]."""
    return np.random.default_rng(seed).multinomial(instances, np.full(instances, 1 / instances), repeats)


def estimate(
    run: str, collected: Collected, groups: Mapping[str, Ints], repeats: int, seed: int
) -> list[Measure]:
    """Return every figure of every group of instances, with its 95% bootstrap interval over instances."""
    found = []
    for grouping, members in groups.items():
        counts = resamples(len(members), repeats, seed)
        for key, values in collected.ratios.items():
            some = values[members]
            if not some[:, 1].any():
                continue
            value = some[:, 0].sum() / some[:, 1].sum()
            with np.errstate(divide="ignore", invalid="ignore"):
                again = (counts @ some[:, 0]) / (counts @ some[:, 1])
            found.append(measure(run, key, grouping, value, again, int((some[:, 1] != 0).sum()), seed))
        for key, draws in collected.draws.items():
            means = draws[members].mean(0)
            again = means[np.random.default_rng(seed).integers(len(means), size=(repeats, len(means)))]
            spread = again.std(1, ddof=1)
            found.append(measure(run, key, grouping, means.std(ddof=1), spread, len(members), seed))
        for key, words in collected.words.items():
            if held := [words[i] for i in members if i in words and words[i].size]:
                drawn = np.random.default_rng(seed).integers(len(held), size=(repeats, len(held)))
                again = np.array([np.median(np.concatenate([held[i] for i in row])) for row in drawn])
                found.append(
                    measure(run, key, grouping, np.median(np.concatenate(held)), again, len(held), seed)
                )
    return found


def measure(run: str, key: Key, grouping: str, value: float, again: Floats, count: int, seed: int) -> Measure:
    """Return a figure with the interval of its resampled values."""
    low, high = np.nanpercentile(again, INTERVAL)
    return Measure(
        id=f"{run}/{key.metric}/{key.method}/{key.level}/{grouping}/{key.variant}",
        run=run,
        metric=key.metric,
        method=key.method,
        level=key.level,
        grouping=grouping,
        variant=key.variant,
        value=float(value),
        low=float(low),
        high=float(high),
        count=count,
        seed=seed,
        note=key.note,
    )
