"""The layer matrices of an instance, one by one in the order in which its tokens pass them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipgraph.graphstore.common.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LayerMap:
    """A layer's matrix: what each destination, a row, takes from each source, a column."""

    title: str
    destinations: tuple[str, ...]
    sources: tuple[str, ...]
    values: "Floats"


def layer_maps(
    matrices: "Mapping[str, Floats]", tokens: Sequence[str], layers: Sequence[int] = (), title: str = ""
) -> list[LayerMap]:
    """Return the matrices of some layers, counted from 1; of the last one where none is named.

    `matrices` are as `RunDirectory.matrices` gives them. An encoder-decoder has the layers of its encoder,
    then for each of its decoder one of self- and one of cross-attention; its `tokens` are the encoder's, then
    the decoder's. Raises UsageError for a layer that there is not.
    """
    every = _in_order(matrices)
    if wrong := [layer for layer in layers if not 1 <= layer <= len(every)]:
        raise UsageError(f"there are layer matrices of layers 1 to {len(every)}; you asked for {wrong[0]}")
    maps = []
    for layer in layers or [len(every)]:
        name, values = every[layer - 1]
        rows, columns = _tokens(name, matrices, tokens)
        about = f"layer {layer}" + (f" ({name})" if len(matrices) > 1 else "")
        maps.append(LayerMap("   ".join(filter(None, [title, about])), rows, columns, values))
    return maps


def _in_order(matrices: "Mapping[str, Floats]") -> "list[tuple[str, Floats]]":
    if "cross" not in matrices:
        return [(name, matrix) for name, layers in matrices.items() for matrix in layers]
    decoder = zip(matrices["self"], matrices["cross"], strict=True)
    steps = [(name, matrix) for pair in decoder for name, matrix in zip(("self", "cross"), pair, strict=True)]
    return [("encoder", matrix) for matrix in matrices["encoder"]] + steps


def _tokens(
    name: str, matrices: "Mapping[str, Floats]", tokens: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tokens of a matrix' rows and of its columns."""
    sources = matrices["encoder"].shape[1] if "cross" in matrices else 0
    encoder, decoder = tuple(tokens[:sources]), tuple(tokens[sources:])
    rows = encoder if name == "encoder" else decoder
    return rows, decoder if name == "self" or not sources else encoder
