"""Layer matrices of attention: how much each position of a layer takes from each one below it.

A text's matrices are arrays by name, [layer, destination, source]. An encoder or a decoder has `self`
[L, N, N]; an encoder-decoder has `encoder` [K, S, S], `self` [L, T, T] and `cross` [L, T, S]. Rows sum to 1;
those of `cross` sum to less, and the rest stays at its position (`residual`).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Floats: TypeAlias = npt.NDArray[np.float64]
Matrices: TypeAlias = Mapping[str, Floats]


def layer_matrices(
    attentions: "Mapping[str, Sequence[Tensor]]", *, identity: bool = True
) -> dict[str, Floats]:
    """Return half head-mean attention plus half identity, or with no `identity` head-mean attention alone.

    `attentions` are one text's, [A, destination, source] per layer, by name. Rows are divided by their sums;
    a row of zeros keeps to its position. Source: Abnar & Zuidema 2020, 3. For cross-attention, where the
    identity is the residual of the decoder's position, the same halves are our choice.
    """
    means = {name: np.stack([_head_mean(a) for a in layers]) for name, layers in attentions.items()}
    if not identity:
        return means
    own = {name: _normalised(a + np.eye(a.shape[-1])) for name, a in means.items() if name != "cross"}
    return own | {name: a / 2 for name, a in means.items() if name == "cross"}


def uniform_causal(layers: int, tokens: int) -> dict[str, Floats]:
    """Return the layer matrices of a decoder that attends to every token up to its own alike."""
    attention = _normalised(np.tri(tokens))
    return {"self": np.broadcast_to((attention + np.eye(tokens)) / 2, (layers, tokens, tokens))}


def residual(cross: Floats) -> Floats:
    """Return what stays at each position of cross-attention, [..., T]."""
    stays: Floats = (1 - cross.sum(-1)).clip(0, 1)
    return stays


def is_causal(matrices: Matrices) -> bool:
    """Tell whether these are a decoder's: of one stack, in which no position takes from a later one."""
    return set(matrices) == {"self"} and not np.triu(matrices["self"], 1).any()


def _head_mean(attention: "Tensor") -> Floats:
    return _normalised(attention.detach().double().mean(0).cpu().numpy())


def _normalised(rows: Floats) -> Floats:
    total = rows.sum(-1, keepdims=True)
    normalised: Floats = rows / np.where(total > 0, total, 1.0)
    return normalised
