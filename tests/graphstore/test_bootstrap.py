"""The bootstrap, against the normal theory that it must approach, and its seed."""

from math import isnan, sqrt
from random import Random
from statistics import mean, stdev

import pytest

from ipgraph.graphstore.common.bootstrap import Bootstrap, Interval, interval, ratio_interval, ratios


def mean_interval(values: list[float], seed: int = 0) -> Interval:
    return ratio_interval(values, [1.0] * len(values), seed)


def test_the_interval_of_a_mean_is_about_two_standard_errors_each_way() -> None:
    random = Random(1)  # noqa: S311
    values = [random.gauss(3, 2) for _ in range(400)]
    found = mean_interval(values)
    error = 1.96 * stdev(values) / sqrt(len(values))
    assert found.value == pytest.approx(mean(values))
    assert found.low == pytest.approx(mean(values) - error, abs=0.15 * error)
    assert found.high == pytest.approx(mean(values) + error, abs=0.15 * error)


def test_a_ratio_of_sums_weighs_instances_by_their_denominators() -> None:
    found = ratio_interval([1, 8], [2, 8])
    assert found.value == 0.9
    assert (found.low, found.high) == (0.5, 1.0)  # both resamples of one instance are among a thousand


def test_a_seed_repeats_itself_and_another_differs() -> None:
    values = [n**0.5 for n in range(40)]
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_of_nothing_there_is_no_figure() -> None:
    assert isnan(mean_interval([]).value)
    assert isnan(ratio_interval([0.0], [0.0]).low)


def test_the_first_sample_is_the_sample_itself() -> None:
    counts = Bootstrap(resamples=20, seed=3).counts(5)
    assert counts[0].tolist() == [1] * 5
    assert counts.sum(1).tolist() == [5] * 21
    with pytest.raises(ValueError, match="no instance"):
        Bootstrap().counts(0)


def test_a_resample_without_denominators_is_left_out() -> None:
    counts = Bootstrap(resamples=200).counts(2)
    values = ratios(counts, [3.0, 0.0], [4.0, 0.0])
    assert {value for value in values if not isnan(value)} == {0.75}
    assert any(map(isnan, values))
    assert interval(values) == Interval(0.75, 0.75, 0.75)
