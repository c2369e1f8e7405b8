"""Permutation tests: against every labelling of a small case, scipy's own, and what must hold."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from ipgraph.graphstore.common.permutation import DRAWS, adjusted, group_p_values, paired_p_values

SMALL = st.lists(st.integers(-3, 3), min_size=4, max_size=7)


@settings(max_examples=25, deadline=None)
@given(SMALL, st.integers(1, 3))
def test_p_of_groups_approaches_the_share_of_all_labellings(values: list[int], first: int) -> None:
    table, size = np.array(values, float), len(values)
    is_first = np.arange(size) < first

    def difference(chosen: tuple[int, ...]) -> float:
        inside = np.isin(np.arange(size), chosen)
        return abs(float(table[inside].mean() - table[~inside].mean()))

    every = [difference(chosen) for chosen in combinations(range(size), first)]
    share = np.mean(np.array(every) >= difference(tuple(range(first))) - 1e-9)
    assert group_p_values(table[:, None], is_first)[0] == pytest.approx(share, abs=0.025)


@settings(max_examples=25, deadline=None)
@given(SMALL)
def test_p_of_pairs_approaches_the_share_of_all_signs(values: list[int]) -> None:
    table = np.array(values, float)
    every = [abs(float(table @ signs)) for signs in product((-1, 1), repeat=len(values))]
    share = np.mean(np.array(every) >= abs(table.sum()) - 1e-9)
    assert paired_p_values(table[:, None])[0] == pytest.approx(share, abs=0.025)


def test_p_is_that_of_scipys_permutation_test() -> None:
    random = np.random.default_rng(5)
    first, second = random.normal(0.4, 1, 30), random.normal(0, 1, 40)
    wanted = permutation_test(
        (first, second), lambda a, b, axis: np.abs(a.mean(axis) - b.mean(axis)), vectorized=True,
        alternative="greater", n_resamples=DRAWS, rng=1,
    )  # fmt: skip
    table = np.concatenate([first, second])[:, None]
    assert group_p_values(table, np.arange(70) < 30)[0] == pytest.approx(wanted.pvalue, abs=0.015)


def test_no_difference_has_p_1_and_none_has_p_0() -> None:
    table = np.array([[1.0, 0.0], [1.0, 0.0], *[[1.0, 1.0]] * 2] * 20)
    is_first = np.array([True, True, False, False] * 20)
    p = group_p_values(table, is_first)
    assert p.tolist() == [1.0, 1 / (1 + DRAWS)]
    assert paired_p_values([[0.0], [0.0]]).tolist() == [1.0]


def test_candidates_share_one_set_of_labellings() -> None:
    table = np.random.default_rng(1).normal(size=(25, 4))
    is_first = np.arange(25) % 2 == 0
    together = group_p_values(table, is_first)
    alone = [group_p_values(table[:, [k]], is_first)[0] for k in range(4)]
    assert together.tolist() == alone
    assert group_p_values(table[:, [2, 2]], is_first).tolist() == [alone[2]] * 2


def test_adjusted_p_values_are_benjamini_and_hochbergs() -> None:
    assert adjusted([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert adjusted([]).tolist() == []


def test_an_empty_group_is_refused() -> None:
    with pytest.raises(ValueError, match="each group must hold an instance"):
        group_p_values([[1.0]], [True])
    with pytest.raises(ValueError, match="no pair"):
        paired_p_values(np.zeros((0, 1)))
