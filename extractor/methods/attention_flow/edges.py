"""A maximum flow edge by edge, to be drawn. Which edges carry it is not unique; its minimum cut is."""

from typing import NamedTuple

import numpy as np

from ipgraph.extractor.methods.attention_flow.flow import maximum_flow
from ipgraph.extractor.methods.attention_flow.matrices import Matrices
from ipgraph.extractor.methods.attention_flow.network import UNIT, network_of


class FlowEdge(NamedTuple):
    """An edge with a flow, from a token's position in one layer to one in a later layer, and how much flows.

    Layers count from 1 as the network's, 0 is the input; an encoder-decoder's tokens are its encoder's, then
    its decoder's, whose first layer is the encoder's last.
    """

    start: int  # the layer that it leaves: the one before `layer`, or the encoder's last
    layer: int
    source: int
    target: int
    flow: float  # of at most 1
    is_cut: bool  # of the minimum cut nearest the token: the flow is all that the edge lets pass


def flow_edges(matrices: Matrices, target: int, token: int) -> list[FlowEdge]:
    """Return the edges that carry a maximum flow from one token to position `target` of the last layer."""
    network = network_of(matrices, target)
    cut = maximum_flow(network, np.arange(len(network.tokens)) == token)
    flows = cut.found.tocoo()
    units = dict(zip(zip(flows.row.tolist(), flows.col.tolist(), strict=True), flows.data, strict=True))
    edges = []
    for number, ends in enumerate(zip(network.tail.tolist(), network.head.tolist(), strict=True)):
        if units.get(ends, 0) > 0:
            (start, source), (layer, row) = (_place(matrices, node) for node in ends)
            flow = float(units[ends] / UNIT)
            edges.append(FlowEdge(start, layer, source, row, flow, bool(cut.crosses[number])))
    return sorted(edges)


def _place(matrices: Matrices, node: int) -> tuple[int, int]:
    """Return the layer of a network's node, and its token."""
    depth, sources = matrices["encoder"].shape[:2] if "encoder" in matrices else (0, 0)
    targets = matrices["self"].shape[1]
    first = sources * (depth + 1)  # the node of the decoder's first token
    if node < first:
        return node // sources, node % sources
    return depth + (node - first) // targets, sources + (node - first) % targets
