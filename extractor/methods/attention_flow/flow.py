"""Attention flow: the maximum flow from each token by itself to the output (Abnar & Zuidema 2020, 3.2).

The joint flow from all tokens is always 1, and how it is shared out is not unique: only flows of one token,
and of sets of tokens as games (`shapley`), are values to keep.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order
from scipy.sparse.csgraph import maximum_flow as scipy_maximum_flow

from ipgraph.extractor.methods.attention_flow.matrices import Floats, Matrices
from ipgraph.extractor.methods.attention_flow.network import (
    UNLIMITED,
    Bools,
    Ints,
    Network,
    network_of,
)


class Cut(NamedTuple):
    """A maximum flow: its value, and the minimum cut nearest the source, the same for every maximum flow."""

    flow: float
    crosses: Bools  # [E], which of the network's edges are cut
    found: csr_array  # the flow along each edge of the network's graph, in its units; not unique


@dataclass(frozen=True)
class TokenFlows:
    """Every token's flow to one position, an encoder's tokens before those of its decoder."""

    flows: Floats  # [N], each from 0 to 1
    layers: Ints  # [N], which layer holds most of the minimum cut's capacity; 0 where there is no flow


class Spread(NamedTuple):
    """How far a text's scores differ: flow saturates with depth, so that a ranking by it may say little."""

    ratio: float  # the largest score to the smallest above zero; nan where all are zero
    entropy: float  # of the scores as shares of their sum, in bits


def maximum_flow(network: Network, sources: Bools) -> Cut:
    """Return a maximum flow from some of the tokens, [N], together.

    The value is the capacity of the minimum cut, exact to rounding in float64 unless two cuts differ by less
    than the solver's integers tell apart (about 1e-9 of an edge).
    """
    capacities = network.graph.copy()
    capacities.data[-len(sources) :] = np.where(sources, UNLIMITED, 0)
    found = scipy_maximum_flow(capacities, network.nodes, network.sink).flow
    crosses = _cut(network, capacities - found)
    return Cut(float(network.capacity[crosses].sum()), crosses, found)


def token_flows(matrices: Matrices, target: int) -> TokenFlows:
    """Return the flow of each token to position `target` of the last layer, one maximum flow per token."""
    network = network_of(matrices, target)
    cuts = [maximum_flow(network, token) for token in np.eye(len(network.tokens), dtype=np.bool_)]
    layers = [_layer(network, cut) for cut in cuts]
    return TokenFlows(np.array([cut.flow for cut in cuts]), np.array(layers))


def shares(scores: Floats) -> Floats:
    """Return scores divided by their sum; zeros where all are zero."""
    total = scores.sum()
    return scores / total if total > 0 else scores


def spread(scores: Floats) -> Spread:
    """Return how far the scores of a text's tokens differ, without those of zero, which are not heard."""
    heard = scores[scores > 0]
    if not heard.size:
        return Spread(float("nan"), 0.0)
    p = heard / heard.sum()
    return Spread(float(heard.max() / heard.min()), float(-(p * np.log2(p)).sum()) + 0.0)


def _cut(network: Network, left: csr_array) -> Bools:
    """Return the edges that leave what the source reaches through capacity that is left."""
    reached = np.zeros(network.nodes + 1, np.bool_)
    reached[breadth_first_order(left, network.nodes, return_predecessors=False)] = True
    crosses: Bools = reached[network.tail] & ~reached[network.head]
    return crosses


def _layer(network: Network, cut: Cut) -> int:
    """Return the layer of most of a cut's capacity, the first among equals; 0 for a cut of none."""
    if not cut.flow:
        return 0
    capacity = np.bincount(network.layer[cut.crosses], network.capacity[cut.crosses])
    return int(capacity.argmax())
