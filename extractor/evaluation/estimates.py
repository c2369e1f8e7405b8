"""Measures over instances with bootstrap intervals: what an evaluation collects and what it makes of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ipgraph.graphstore.common.bootstrap import Bootstrap, interval, ratios
from ipgraph.graphstore.schema.measures import MeasureKey, measure_id
from ipgraph.graphstore.schema.records import Measure

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Details:
    """What a measure says beside its key: the word at its position, how many draws, what to know of it."""

    word: str = ""
    draws: int = 0
    note: str = ""


class Resampled(NamedTuple):
    """A measure before its interval: its value in the sample, then in each resample."""

    key: MeasureKey
    values: Floats  # [1 + resamples]
    instances: int  # behind it
    details: Details


class Collected:
    """Each measure's numerator and denominator in every instance; the measure is the ratio of their sums.

    A mean has denominators of 1, and 0 where an instance has no value.
    """

    def __init__(self, instances: int) -> None:
        self.instances = instances
        self.ratios: dict[MeasureKey, Floats] = {}
        self.draws: dict[MeasureKey, Floats] = {}
        self.words: dict[MeasureKey, dict[int, Floats]] = {}
        self.details: dict[MeasureKey, Details] = {}

    def add(
        self,
        key: MeasureKey,
        index: Sequence[int] | Ints,
        numerator: npt.ArrayLike,
        denominator: npt.ArrayLike = 1.0,
        *,
        draws: int = 0,
        note: str = "",
    ) -> None:
        """Set the values of some instances; one that is not finite counts as none."""
        values = self.ratios.setdefault(key, np.zeros((self.instances, 2)))
        top, bottom = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
        real = np.isfinite(top) & np.isfinite(bottom)
        values[index] = np.stack([np.where(real, top, 0.0), np.where(real, bottom, 0.0)], -1)
        self.details[key] = Details(draws=draws, note=note)

    def add_draws(self, key: MeasureKey, index: Sequence[int] | Ints, values: npt.ArrayLike) -> None:
        """Set values [n, draws] of some instances; the measure is the draws' spread, resampled over draws."""
        values = np.asarray(values, float)
        self.draws.setdefault(key, np.zeros((self.instances, values.shape[1])))[index] = values
        self.details[key] = Details(draws=values.shape[1])

    def add_words(
        self, key: MeasureKey, index: int, values: Floats, *, draws: int = 0, note: str = ""
    ) -> None:
        """Set an instance's values, one per word; the measure is the median over all words."""
        self.words.setdefault(key, {})[index] = values
        self.details[key] = Details(draws=draws, note=note)

    def resampled(self, members: Ints, bootstrap: Bootstrap) -> Iterator[Resampled]:
        """Yield every measure of a group of instances that has a value in one of them."""
        counts = bootstrap.counts(len(members))
        for key, values in self.ratios.items():
            numerators, denominators = values[members].T
            if denominators.any():
                of_each = ratios(counts, numerators, denominators)
                yield Resampled(key, of_each, int(np.count_nonzero(denominators)), self.details[key])
        for key, draws in self.draws.items():
            means = draws[members].mean(0)
            spread = _spread(bootstrap.counts(len(means)), means)
            yield Resampled(key, spread, len(members), self.details[key])
        for key, words in self.words.items():
            measured = [words[i] for i in members if i in words and words[i].size]
            if measured:
                medians = _medians(bootstrap.counts(len(measured)), measured)
                yield Resampled(key, medians, len(measured), self.details[key])


def _spread(counts: Floats, values: Floats) -> Floats:
    """Return the standard deviation of values in each sample."""
    deviations = values - values.mean()
    squares = counts @ deviations**2 - (counts @ deviations) ** 2 / len(values)
    spread: Floats = np.sqrt(squares.clip(0) / (len(values) - 1))
    return spread


def _medians(counts: Floats, values: Sequence[Floats]) -> Floats:
    """Return the median of all instances' values in each sample."""
    together = np.concatenate(values)
    times = np.repeat(counts.astype(np.int64), [len(of_one) for of_one in values], axis=1)
    return np.array([np.median(np.repeat(together, row)) for row in times])


def estimate(
    run: str, collected: Collected, groups: Mapping[str, Ints], bootstrap: Bootstrap
) -> list[Measure]:
    """Return every measure of every group of instances, with its 95% bootstrap interval over instances."""
    return [
        measure
        for grouping, members in groups.items()
        for measure in with_intervals(run, grouping, collected.resampled(members, bootstrap), bootstrap)
    ]


def with_intervals(
    run: str, grouping: str, resampled: Iterable[Resampled], bootstrap: Bootstrap
) -> Iterator[Measure]:
    """Yield the measures of one group with the intervals of their resampled values."""
    for key, values, instances, details in resampled:
        ends = interval(values)
        whole = key._replace(grouping=grouping)
        yield Measure(
            id=measure_id([run], whole),
            runs=[run],
            **whole._asdict(),
            word=details.word,
            draws=details.draws,
            resamples=bootstrap.resamples,
            value=ends.value,
            low=ends.low,
            high=ends.high,
            count=instances,
            seed=bootstrap.seed,
            note=details.note,
        )
