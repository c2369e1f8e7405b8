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

_EDGES = 2**17
"""Edges of the copies of a network that are solved at once."""


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
    reached = _reached(capacities - found, network.nodes)
    crosses = reached[network.tail] & ~reached[network.head]
    return Cut(float(network.capacity[crosses].sum()), crosses, found)


def maximum_flows(network: Network, sources: Bools) -> tuple[Floats, Bools]:
    """Return the maximum flow from each of K sets of tokens [K, N], [K], and which edges are cut, [K, E].

    Several are found at once, in as many copies of the network side by side: a call of the solver costs more
    than a small network.
    """
    size = max(1, _EDGES // len(network.tail))
    parts = [_side_by_side(network, sources[first : first + size]) for first in range(0, len(sources), size)]
    crosses = np.concatenate(parts)
    return crosses @ network.capacity, crosses


def token_flows(matrices: Matrices, target: int) -> TokenFlows:
    """Return the flow of each token to position `target` of the last layer, one maximum flow per token."""
    network = network_of(matrices, target)
    flows, crosses = maximum_flows(network, np.eye(len(network.tokens), dtype=np.bool_))
    layers = [_layer(network, cut) if flow else 0 for flow, cut in zip(flows, crosses, strict=True)]
    return TokenFlows(flows, np.array(layers))


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


def _side_by_side(network: Network, sources: Bools) -> Bools:
    """Return which edges are cut for each set of tokens [K, E], by one maximum flow through K copies."""
    copies = np.arange(len(sources))[:, None] * network.nodes
    source, sink = len(sources) * network.nodes, len(sources) * network.nodes + 1
    own, entries = np.broadcast_to(network.tail, (len(sources), len(network.tail))), copies + network.tokens
    into, out_of = np.full(int(sources.sum()), source), (copies + network.sink).ravel()
    tails = np.concatenate([(own + copies).ravel(), into, out_of])
    heads = np.concatenate([(network.head + copies).ravel(), entries[sources], np.full(len(out_of), sink)])
    units = np.concatenate(
        [np.tile(network.units, len(sources)), np.full(len(into) + len(out_of), UNLIMITED)]
    )
    graph = csr_array((units.astype(np.int32), (tails, heads)), shape=(sink + 1, sink + 1))
    found: csr_array = scipy_maximum_flow(graph, source, sink).flow
    reached = _reached(graph - found, source)
    crosses: Bools = reached[own + copies] & ~reached[network.head + copies]
    return crosses


def _reached(left: csr_array, source: int) -> Bools:
    """Return which nodes the source reaches through capacity that is left."""
    reached = np.zeros(left.shape[0], np.bool_)
    reached[breadth_first_order(left, source, return_predecessors=False)] = True
    return reached


def _layer(network: Network, crosses: Bools) -> int:
    """Return the layer of most of a cut's capacity, the first among equals."""
    capacity = np.bincount(network.layer[crosses], network.capacity[crosses])
    return int(capacity.argmax())
