"""Pattern entropy: how much patterns of one word, or Pi_+, vary over instances (Lu et al. 2021, 4.2).

H = (1 / |G|) sum over nodes n of h(p_n), with p_n the share of instances whose nodes hold n, h the binary
entropy in bits (our choice of unit) and |G| all nodes of the level's graph, unused ones included.
"""

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def pattern_entropy(held: Bools, size: int, counts: npt.NDArray[np.int64]) -> Floats:
    """Return the entropy in each of R (re)samples of instances.

    `held` [n, nodes] says which instance holds which node, `size` is |G|, `counts` [R, n] how often each
    instance is in each sample. A sample without instances has none: nan.
    """
    used = held[:, held.any(0)].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = counts @ used / counts.sum(1, keepdims=True)
    entropy: Floats = binary_entropy(p).sum(1) / size
    return entropy


def binary_entropy(p: Floats) -> Floats:
    """Return -p log2 p - (1 - p) log2 (1 - p), zero at both ends."""
    ends = (p <= 0) | (p >= 1)
    inside = np.where(ends, 0.5, p)
    found = -inside * np.log2(inside) - (1 - inside) * np.log2(1 - inside)
    return np.where(np.isnan(p), np.nan, np.where(ends, 0.0, found))
