"""Bootstrap intervals, pattern entropy and correlations against theory, plain Python and scipy."""

import math
from collections.abc import Sequence
from itertools import permutations
from random import Random
from statistics import fmean

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ipgraph.extractor.evaluation.estimates import Collected, estimate
from ipgraph.extractor.evaluation.positions import probabilities
from ipgraph.graphstore.common.bootstrap import Bootstrap
from ipgraph.graphstore.common.entropy import pattern_entropy
from ipgraph.graphstore.schema.measures import MeasureKey, measure_id
from ipgraph.graphstore.schema.records import Measure
from ipgraph.queries.reports.correlation import Coefficient, correlate

KEY = MeasureKey("m", "gpr", "embedding")


def measured(top: object, bottom: object = 1.0, *, resamples: int = 1000, seed: int = 0) -> Measure:
    values = np.asarray(top, float)
    collected = Collected(len(values))
    collected.add(KEY, np.arange(len(values)), values, np.asarray(bottom, float))
    (found,) = estimate("r1", collected, {"": np.arange(len(values))}, Bootstrap(resamples, seed))
    return found


def test_the_interval_of_a_mean_holds_it_as_often_as_promised() -> None:
    generator = np.random.default_rng(0)
    holds = 0
    for seed in range(200):
        found = measured(generator.normal(3.0, 2.0, 40), resamples=300, seed=seed)
        holds += found.low <= 3.0 <= found.high
        assert found.low < found.value < found.high
    assert 0.88 <= holds / 200 <= 0.98


def test_the_interval_of_a_mean_is_about_that_of_normal_theory() -> None:
    values = np.random.default_rng(1).normal(0.0, 1.0, 400)
    found = measured(values, resamples=4000)
    error = 1.96 * values.std(ddof=1) / math.sqrt(400)
    assert (found.low, found.high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.01)
    assert found.count == 400


def test_a_ratio_is_of_the_sums_and_missing_values_are_left_out() -> None:
    found = measured([1, 2, 5, math.nan], [2, 4, 4, 1])
    assert found.value == 8 / 10
    assert found.count == 3
    assert 0.5 <= found.low <= found.high <= 5 / 4


def test_values_that_do_not_vary_have_no_width() -> None:
    found = measured([0.25] * 9)
    assert (found.low, found.value, found.high) == (0.25, 0.25, 0.25)


def test_nothing_measured_gives_no_measure() -> None:
    collected = Collected(3)
    collected.add(KEY, [0, 1, 2], [math.nan] * 3)
    assert estimate("r1", collected, {"": np.arange(3)}, Bootstrap(10)) == []


def test_groups_seeds_and_ids() -> None:
    collected = Collected(6)
    collected.add(KEY, np.arange(6), [0, 0, 0, 1, 1, 0])
    groups = {"": np.arange(6), "a": np.array([0, 1, 2]), "b": np.array([3, 4, 5])}
    found = {m.grouping: m for m in estimate("r1", collected, groups, Bootstrap(500, 7))}
    assert [found[g].value for g in ("", "a", "b")] == [2 / 6, 0, 2 / 3]
    assert found["b"].id == "r1?metric=m&method=gpr&level=embedding&grouping=b"
    assert (found["b"].runs, found["b"].seed, found["b"].resamples) == (["r1"], 7, 500)
    assert found == {m.grouping: m for m in estimate("r1", collected, groups, Bootstrap(500, 7))}
    other = {m.grouping: m for m in estimate("r1", collected, groups, Bootstrap(500, 8))}
    assert other[""] != found[""]


def test_the_spread_of_draws_and_the_median_over_words() -> None:
    collected = Collected(2)
    draws = np.array([[0.0, 1, 0, 1], [1.0, 1, 0, 0]])
    collected.add_draws(KEY, [0, 1], draws)
    collected.add_words(KEY._replace(metric="w"), 0, np.array([1.0, 2.0, 9.0]))
    collected.add_words(KEY._replace(metric="w"), 1, np.array([4.0]), draws=9, note="median")
    spread, median = estimate("r1", collected, {"": np.arange(2)}, Bootstrap(400))
    assert spread.value == pytest.approx(np.std(draws.mean(0), ddof=1))
    assert spread.low <= spread.value <= spread.high
    assert (spread.draws, median.draws, median.note) == (4, 9, "median")
    assert median.value == 3.0
    assert (median.low, median.high) == (2.0, 4.0)


def test_the_spread_of_resampled_draws_is_that_of_the_repeated_draws() -> None:
    draws = np.random.default_rng(4).random((3, 6))
    collected = Collected(3)
    collected.add_draws(KEY, np.arange(3), draws)
    bootstrap = Bootstrap(50, 1)
    ((_, spreads, *_),) = collected.resampled(np.arange(3), bootstrap)
    for times, spread in zip(bootstrap.counts(6).astype(int), spreads, strict=True):
        assert spread == pytest.approx(np.repeat(draws.mean(0), times).std(ddof=1))


# --- keys ---


@given(st.lists(st.text(max_size=6), min_size=2, max_size=2, unique=True), st.integers(1, 3))
def test_ids_differ_where_keys_do(groupings: list[str], k: int) -> None:
    first, second = (measure_id(["r1"], KEY._replace(grouping=name, k=k)) for name in groupings)
    assert first != second
    assert first != measure_id(["r1", "r2"], KEY._replace(grouping=groupings[0], k=k))


# --- entropy ---


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=8))
def test_entropy_in_plain_python(has: list[list[bool]]) -> None:
    shares = [sum(column) / len(has) for column in zip(*has, strict=True)]
    expected = sum(-p * math.log2(p) - (1 - p) * math.log2(1 - p) for p in shares if 0 < p < 1) / 40
    entropy = pattern_entropy(probabilities(np.array(has), np.ones((1, len(has)))), 40)
    assert entropy.tolist() == pytest.approx([expected])
    assert float(pattern_entropy(shares, 40)) == pytest.approx(expected)


def test_entropy_of_resamples_is_that_of_the_repeated_rows() -> None:
    has = np.random.default_rng(2).random((6, 9)) < 0.4
    counts = Bootstrap(5, 3).counts(6)
    again = [float(pattern_entropy(np.repeat(has, row.astype(int), 0).mean(0), 9)) for row in counts]
    assert pattern_entropy(probabilities(has, counts), 9).tolist() == pytest.approx(again)


def test_a_sample_without_instances_has_no_entropy() -> None:
    counts = np.array([[1.0, 0.0], [0.0, 0.0]])
    entropy = pattern_entropy(probabilities(np.array([[True], [False]]), counts), 1)
    assert entropy[0] == 0
    assert math.isnan(entropy[1])


# --- correlation ---


def pairs_of(count: int, seed: int, ties: bool = False) -> tuple[list[float], list[float]]:
    random = Random(seed)  # noqa: S311
    xs = [random.gauss(0, 1) for _ in range(count)]
    ys = [x + random.gauss(0, 1) for x in xs]
    return ([round(x) for x in xs], [round(y) for y in ys]) if ties else (xs, ys)


def products(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return what alone differs between the coefficients of permutations, as far from zero as they are."""
    mean = math.fsum(ys) / len(ys)
    return abs(math.fsum(x * (y - mean) for x, y in zip(xs, ys, strict=True)))


@pytest.mark.parametrize("ties", [False, True])
def test_coefficients_are_those_of_scipy(ties: bool) -> None:
    for seed in range(5):
        xs, ys = pairs_of(12, seed, ties)
        pearson, spearman = correlate("pearson", xs, ys), correlate("spearman", xs, ys)
        assert pearson is not None
        assert spearman is not None
        assert pearson.value == pytest.approx(np.corrcoef(xs, ys)[0, 1])
        assert spearman.value == pytest.approx(scipy.stats.spearmanr(xs, ys).statistic)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("coefficient", ["pearson", "spearman"])
def test_p_values_of_few_points_count_every_permutation(coefficient: Coefficient, ties: bool) -> None:
    for seed in range(5):
        xs, ys = pairs_of(6, seed, ties)
        found = correlate(coefficient, xs, ys)
        assert found is not None
        if coefficient == "spearman":
            xs, ys = scipy.stats.rankdata(xs).tolist(), scipy.stats.rankdata(ys).tolist()
        least = products(xs, ys) * (1 - 1e-9)
        extreme = [products(order, ys) >= least for order in permutations(xs)]
        assert found.p == pytest.approx(fmean(extreme))


def test_p_values_of_more_points_are_drawn_and_never_zero() -> None:
    xs, ys = pairs_of(11, 4)
    found = correlate("pearson", xs, ys)
    assert found is not None
    assert found.p == pytest.approx(scipy.stats.pearsonr(xs, ys).pvalue, abs=0.02)
    assert found == correlate("pearson", xs, ys)
    assert found != correlate("pearson", xs, ys, seed=1)
    line = correlate("spearman", list(range(12)), list(range(12)))
    assert line is not None
    assert line.p == 1 / 10_001


def test_too_few_points_or_no_variation_have_no_correlation() -> None:
    assert correlate("pearson", [1.0, 2.0], [1.0, 2.0]) is None
    assert correlate("spearman", [1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert correlate("pearson", [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]) is None
