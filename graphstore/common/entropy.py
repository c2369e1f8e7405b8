"""Pattern entropy: how much the patterns of a dataset vary from instance to instance (Lu et al. 2021)."""

from collections.abc import Iterable
from math import log2


def binary_entropy(probability: float) -> float:
    """Return H(p) = -p log2 p - (1 - p) log2 (1 - p), in bits; raises ValueError outside [0, 1]."""
    if not 0 <= probability <= 1:
        raise ValueError(f"{probability} is no probability")
    return -sum(p * log2(p) for p in (probability, 1 - probability) if p > 0)


def pattern_entropy(probabilities: Iterable[float], nodes: int) -> float:
    """Return H = (1 / |G|) sum over the graph's nodes n of H(p_n), in bits.

    `probabilities` are the p_n of the nodes that lie on some pattern (the template `node-probability`);
    `nodes` is |G|, unused nodes included (`graph_size`). Binary entropy in bits is our choice.
    """
    return sum(map(binary_entropy, probabilities)) / nodes
