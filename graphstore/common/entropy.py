"""Pattern entropy: how much patterns vary from instance to instance (Lu et al. 2021, 4.2)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


def binary_entropy(probabilities: "npt.ArrayLike") -> "Floats":
    """Return H(p) = -p log2 p - (1 - p) log2 (1 - p), in bits, of each probability; nan of nan.

    Raises ValueError outside [0, 1].
    """
    import numpy as np

    p = np.asarray(probabilities, np.float64)
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"a probability is between 0 and 1, and {p[(p < 0) | (p > 1)][0]} is not")
    both = np.stack([p, 1 - p])
    entropy: Floats = 0.0 - (both * np.log2(np.where(both > 0, both, 1.0))).sum(0)
    return entropy


def pattern_entropy(probabilities: "npt.ArrayLike", nodes: int) -> "Floats":
    """Return H = (1 / |G|) sum over the graph's nodes n of H(p_n), in bits; of [..., n] an array [...].

    `probabilities` are the p_n of the nodes that lie on some pattern (the template `node-probability`);
    `nodes` is |G|, unused nodes included (`graph_size`). Binary entropy in bits is our choice.
    """
    entropy: Floats = binary_entropy(probabilities).sum(-1) / nodes
    return entropy
