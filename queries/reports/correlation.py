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
_EQUAL = 1e-9

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
    """Return a correlation (`pearson` or `spearman`) with its permutation p-value; None of under 3 points."""
    if len(xs) < 3 or math.isnan(value := coefficient(xs, ys)):
        return None
    if coefficient is spearman:
        xs, ys = ranks(xs), ranks(ys)
    # Of all permutations only the sum of products differs.
    mean = math.fsum(ys) / len(ys)
    centred = [y - mean for y in ys]
    least = abs(_products(xs, centred)) * (1 - _EQUAL)
    extreme = total = 0
    for order in _orders(centred, seed):
        total += 1
        extreme += abs(_products(xs, order)) >= least
    if len(ys) > EXACT_UP_TO:  # the sample itself is one of the drawn orders: no p-value of zero
        extreme, total = extreme + 1, total + 1
    return Correlation(value, extreme / total, len(xs))


def _products(xs: Sequence[float], ys: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(xs, ys, strict=True))


def _orders(values: Sequence[float], seed: int) -> Iterable[Sequence[float]]:
    if len(values) <= EXACT_UP_TO:
        return permutations(values)
    random = Random(seed)  # noqa: S311 (statistics)
    return (random.sample(values, len(values)) for _ in range(DRAWN))
