"""Bootstrap intervals, pattern entropy and correlations against theory, plain Python and scipy."""

import math
from random import Random

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ipgraph.extractor.evaluation.entropy import pattern_entropy
from ipgraph.extractor.evaluation.estimates import Collected, Key, estimate, resamples
from ipgraph.graphstore.common.entropy import pattern_entropy as pattern_entropy_of_queries
from ipgraph.graphstore.schema.records import Measure
from ipgraph.queries.reports.correlation import correlate, pearson, ranks, spearman

KEY = Key("m", "gpr", "embedding")


def measured(top: object, bottom: object = 1.0, *, repeats: int = 1000, seed: int = 0) -> Measure:
    values = np.asarray(top, float)
    collected = Collected(len(values))
    collected.add(KEY, np.arange(len(values)), values, np.asarray(bottom, float))
    (found,) = estimate("r1", collected, {"": np.arange(len(values))}, repeats, seed)
    return found


def test_the_interval_of_a_mean_holds_it_as_often_as_promised() -> None:
    generator = np.random.default_rng(0)
    holds = 0
    for seed in range(200):
        found = measured(generator.normal(3.0, 2.0, 40), repeats=300, seed=seed)
        holds += found.low <= 3.0 <= found.high
        assert found.low < found.value < found.high
    assert 0.88 <= holds / 200 <= 0.98


def test_the_interval_of_a_mean_is_about_that_of_normal_theory() -> None:
    values = np.random.default_rng(1).normal(0.0, 1.0, 400)
    found = measured(values, repeats=4000)
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
    assert estimate("r1", collected, {"": np.arange(3)}, 10, 0) == []


def test_groups_seeds_and_ids() -> None:
    collected = Collected(6)
    collected.add(KEY, np.arange(6), [0, 0, 0, 1, 1, 0])
    groups = {"": np.arange(6), "a": np.array([0, 1, 2]), "b": np.array([3, 4, 5])}
    found = {m.grouping: m for m in estimate("r1", collected, groups, 500, 7)}
    assert [found[g].value for g in ("", "a", "b")] == [2 / 6, 0, 2 / 3]
    assert found["b"].id == "r1/m/gpr/embedding/b/"
    assert found["b"].seed == 7
    assert found == {m.grouping: m for m in estimate("r1", collected, groups, 500, 7)}
    other = {m.grouping: m for m in estimate("r1", collected, groups, 500, 8)}
    assert other[""] != found[""]


def test_the_spread_of_draws_and_the_median_over_words() -> None:
    collected = Collected(2)
    draws = np.array([[0.0, 1, 0, 1], [1.0, 1, 0, 0]])
    collected.add_draws(KEY, [0, 1], draws)
    collected.add_words(KEY._replace(metric="w"), 0, np.array([1.0, 2.0, 9.0]))
    collected.add_words(KEY._replace(metric="w"), 1, np.array([4.0]))
    spread, median = estimate("r1", collected, {"": np.arange(2)}, 400, 0)
    assert spread.value == pytest.approx(np.std(draws.mean(0), ddof=1))
    assert spread.low <= spread.value <= spread.high
    assert median.value == 3.0
    assert (median.low, median.high) == (2.0, 4.0)


# --- entropy ---


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=8))
def test_entropy_in_plain_python(held: list[list[bool]]) -> None:
    shares = [sum(column) / len(held) for column in zip(*held, strict=True)]
    expected = sum(-p * math.log2(p) - (1 - p) * math.log2(1 - p) for p in shares if 0 < p < 1) / 40
    found = pattern_entropy(np.array(held), 40, np.ones((1, len(held)), int))
    assert found.tolist() == pytest.approx([expected])
    assert pattern_entropy_of_queries(shares, 40) == pytest.approx(expected)


def test_entropy_of_resamples_is_that_of_the_repeated_rows() -> None:
    held = np.random.default_rng(2).random((6, 9)) < 0.4
    drawn = resamples(6, 5, 3)
    again = [pattern_entropy(np.repeat(held, row, 0), 9, np.ones((1, 6), int))[0] for row in drawn]
    assert pattern_entropy(held, 9, drawn).tolist() == pytest.approx(again)


# --- correlation ---


def pairs_of(count: int, seed: int, ties: bool = False) -> tuple[list[float], list[float]]:
    random = Random(seed)  # noqa: S311
    xs = [random.gauss(0, 1) for _ in range(count)]
    ys = [x + random.gauss(0, 1) for x in xs]
    return ([round(x) for x in xs], [round(y) for y in ys]) if ties else (xs, ys)


@pytest.mark.parametrize("ties", [False, True])
def test_coefficients_are_those_of_scipy(ties: bool) -> None:
    for seed in range(20):
        xs, ys = pairs_of(12, seed, ties)
        assert ranks(xs) == scipy.stats.rankdata(xs).tolist()
        assert pearson(xs, ys) == pytest.approx(scipy.stats.pearsonr(xs, ys).statistic)
        assert spearman(xs, ys) == pytest.approx(scipy.stats.spearmanr(xs, ys).statistic)


def test_p_values_are_those_of_scipys_permutation_test() -> None:
    xs, ys = pairs_of(6, 3)
    found = correlate(pearson, xs, ys)
    exact = scipy.stats.permutation_test(
        (xs,),
        lambda x: abs(pearson(list(x), ys)),
        permutation_type="pairings",
        alternative="greater",
        n_resamples=math.factorial(6),
    )
    assert found is not None
    assert found.p == pytest.approx(exact.pvalue)
    xs, ys = pairs_of(11, 4)
    found = correlate(pearson, xs, ys)
    assert found is not None
    assert found.p == pytest.approx(scipy.stats.pearsonr(xs, ys).pvalue, abs=0.02)


def test_too_few_points_or_no_variation_have_no_correlation() -> None:
    assert correlate(pearson, [1.0, 2.0], [1.0, 2.0]) is None
    assert correlate(spearman, [1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
