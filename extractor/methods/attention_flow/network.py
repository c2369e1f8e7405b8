"""The flow network of a text: nodes are positions by layer, capacities the entries of the layer matrices.

Layers count from 1 as in the computation graph: an encoder-decoder has those of its encoder, then for each
layer of the decoder one of self- and one of cross-attention.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ipgraph.extractor.methods.attention_flow.matrices import Floats, Matrices, residual

UNIT = 2**30
"""The integer that stands for capacity 1: the solver takes 32-bit integers, and no flow exceeds 1."""
UNLIMITED = 2**31 - 1
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


class Block(NamedTuple):
    """A matrix [destination, source] of capacities between two rows of nodes."""

    layer: int
    tail: int  # the first source's node
    head: int  # the first destination's node
    matrix: Floats


@dataclass(frozen=True)
class Network:
    """Edges from the tokens to one position of the last layer; only those from which it can be reached."""

    tail: Ints  # [E]
    head: Ints  # [E]
    capacity: Floats  # [E], from 0 to 1
    units: Ints  # [E], the same as integers
    layer: Ints  # [E], which layer's matrix an edge is of
    nodes: int
    tokens: Ints  # [N], the tokens' nodes: an encoder's first, then a decoder's
    sink: int

    @cached_property
    def graph(self) -> csr_array:
        """The capacities as integers, with one more node, the last, that leads to every token.

        Its edges are the last that are stored, in the order of the tokens; their capacities are 0.
        """
        tails = np.append(self.tail, np.full_like(self.tokens, self.nodes))
        heads = np.append(self.head, self.tokens)
        units = np.append(self.units, np.zeros_like(self.tokens)).astype(np.int32)
        graph = csr_array((units, (tails, heads)), shape=(self.nodes + 1, self.nodes + 1))
        graph.sort_indices()
        return graph


def network_of(matrices: Matrices, target: int) -> Network:
    """Return the network to position `target` of the last layer."""
    own, encoder = matrices["self"], matrices.get("encoder", np.empty((0, 0, 0)))
    blocks = list(_blocks(encoder, own, matrices.get("cross")))
    first, end = encoder.shape[1] * (len(encoder) + 1), blocks[-1].head
    nodes, sink = end + own.shape[1], end + target
    tokens = np.append(np.arange(encoder.shape[1]), first + np.arange(own.shape[1]))
    parts = zip(*_edges(blocks, nodes, sink), strict=True)
    tail, head, capacity, units, layer = (np.concatenate(part) for part in parts)
    return Network(tail, head, capacity, units, layer, nodes, tokens, sink)


def _blocks(encoder: Floats, own: Floats, cross: Floats | None) -> Iterator[Block]:
    """Yield the matrices in the order in which a text passes them; without an encoder, those of `own`."""
    sources, targets = encoder.shape[1], own.shape[1]
    for layer, matrix in enumerate(encoder):
        yield Block(layer + 1, layer * sources, (layer + 1) * sources, matrix)
    layer, encoded = len(encoder), len(encoder) * sources
    node = encoded + sources
    for number, matrix in enumerate(own):
        layer, node = layer + 1, node + targets
        yield Block(layer, node - targets, node, matrix)
        if cross is not None:
            layer, node = layer + 1, node + targets
            yield Block(layer, encoded, node, cross[number])
            yield Block(layer, node - targets, node, np.diag(residual(cross[number])))


def _edges(blocks: list[Block], nodes: int, sink: int) -> Iterator[tuple[Ints, Ints, Floats, Ints, Ints]]:
    """Yield the edges of each block from which the sink can be reached."""
    leads = np.zeros(nodes, np.bool_)
    leads[sink] = True
    for block in reversed(blocks):
        leading = leads[block.head : block.head + len(block.matrix)]
        e, j = (block.matrix * leading[:, None]).nonzero()
        leads[block.tail + j] = True
        yield (
            block.tail + j,
            block.head + e,
            block.matrix[e, j],
            _in_units(block.matrix)[e, j],
            np.full_like(e, block.layer),
        )


def _in_units(rows: Floats) -> Ints:
    """Return capacities as integers: zeros stay zero, and a row's sum is the sum rounded.

    Rounding each by itself would break the ties that rows of sum 1 make between cuts.
    """
    running = np.rint(np.cumsum(rows, -1) * UNIT).astype(np.int64)
    return np.diff(running, axis=-1, prepend=0)
