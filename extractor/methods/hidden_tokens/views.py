"""What hidden token attribution is asked: how local and global views differ, what persists, what mixes.

The measures are ours: of Pascual et al. 2021 only the abstract names the questions. Rows are distributions
over tokens, [..., N, N] by destination and token.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr
from scipy.stats import rankdata

Array: TypeAlias = NDArray[np.float64]


def divergence(local: Array, overall: Array) -> Array:
    """Return the Jensen-Shannon divergence of each row's two distributions, in bits from 0 to 1: [..., N]."""
    middle = (local + overall) / 2
    nats = (rel_entr(local, middle) + rel_entr(overall, middle)).sum(-1) / 2
    bits: Array = np.maximum(nats, 0) / np.log(2)
    return bits


def rank_correlation(local: Array, overall: Array) -> Array:
    """Return Spearman's correlation of each row's two views over the tokens that either hears: [..., N].

    NaN where fewer than two tokens are heard, or where a view has them all alike.
    """
    is_heard = (local > 0) | (overall > 0)
    one, other = (_centred_ranks(np.where(is_heard, view, np.nan)) for view in (local, overall))
    spread = np.sqrt(np.nansum(one**2, -1) * np.nansum(other**2, -1))
    with np.errstate(invalid="ignore"):
        found: Array = np.nansum(one * other, -1) / spread
    return found


def _centred_ranks(rows: Array) -> Array:
    ranks: Array = rankdata(rows, axis=-1, nan_policy="omit")
    centre: Array = np.nansum(ranks, -1, keepdims=True) / (~np.isnan(rows)).sum(-1, keepdims=True)
    return ranks - centre


def mass(rows: Array, pattern: str) -> Array:
    """Return the mean mass that rows [..., N, N] have on one of VIEWED: [...].

    The mean is over the rows that have such a token; NaN where none has, as in a text of one token.
    """
    offsets = {"previous": -1, "same": 0, "next": 1}
    columns = {"first": 0, "last": -1}
    if pattern in columns:
        found: Array = rows[..., columns[pattern]].mean(-1)
        return found
    on_offset = np.diagonal(rows, offsets[pattern], -2, -1)
    return on_offset.mean(-1) if on_offset.shape[-1] else np.full(rows.shape[:-2], np.nan)


def mixing(hidden: Array) -> Array:
    """Return how much of each hidden state is not its own token's, 1 - c_ii: [..., N] of [..., N, N]."""
    return 1 - np.diagonal(hidden, 0, -2, -1)
