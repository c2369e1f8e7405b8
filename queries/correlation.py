"""Correlations of few points, with p-values by permutation: exact up to 8 points, else drawn and seeded.

No distribution is assumed, and no library of statistics needed.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from random import Random

EXACT_UP_TO = 8
DRAWN = 10_000
_EQUAL = 1e-12

Coefficient = Callable[[Sequence[float], Sequence[float]], float]


@dataclass(frozen=True, slots=True)
class Correlation:
    """A coefficient with the share of permutations whose coefficient is as far from zero (two-sided)."""

    value: float
    p: float
    points: int


def pearson(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return Pearson's r; nan where one side does not vary."""
    mean_x, mean_y = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    dx, dy = [x - mean_x for x in xs], [y - mean_y for y in ys]
    scale = math.sqrt(math.fsum(d * d for d in dx) * math.fsum(d * d for d in dy))
    return math.fsum(a * b for a, b in zip(dx, dy, strict=True)) / scale if scale else math.nan


def spearman(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return Spearman's rho: Pearson's r of the ranks, ties sharing their mean rank."""
    return pearson(ranks(xs), ranks(ys))


def ranks(values: Sequence[float]) -> list[float]:
    """Return each value's rank from 1; equal values share their mean rank."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def correlate(
    coefficient: Coefficient, xs: Sequence[float], ys: Sequence[float], seed: int = 0
) -> Correlation | None:
    """Return a correlation with its permutation p-value; None of fewer than three points."""
    if len(xs) < 3 or math.isnan(value := coefficient(xs, ys)):
        return None
    extreme = total = 0
    for order in _orders(len(ys), seed):
        total += 1
        extreme += abs(coefficient(xs, [ys[i] for i in order])) >= abs(value) - _EQUAL
    if len(ys) > EXACT_UP_TO:  # the sample itself is one of the drawn orders: no p-value of zero
        extreme, total = extreme + 1, total + 1
    return Correlation(value, extreme / total, len(xs))


def _orders(n: int, seed: int) -> Iterable[Sequence[int]]:
    if n <= EXACT_UP_TO:
        return permutations(range(n))
    random = Random(seed)  # noqa: S311 (statistics)
    return (random.sample(range(n), n) for _ in range(DRAWN))
