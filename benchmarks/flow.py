"""Attention flow: against networkx' Edmonds-Karp, for texts of 11 to 512 tokens, and exact Shapley values.

Sharp softmax attention of 12 layers and 12 heads, drawn at random; every time is of a whole text.
"""

import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import networkx as nx
import numpy as np
import torch
from measure import median_seconds, medians_in_turn, print_table

from ipgraph.extractor.methods.attention_flow.flow import maximum_flow, token_flows
from ipgraph.extractor.methods.attention_flow.matrices import Matrices, layer_matrices
from ipgraph.extractor.methods.attention_flow.network import network_of
from ipgraph.extractor.methods.attention_flow.shapley import MAX_PLAYERS, flow_game, shapley_values

LAYERS, HEADS, COMPARED = 12, 12, 32
LENGTHS = (11, 32, 64, 128)
LONG, OF_LONG = 512, 8
"""The longest text, and of how many of its tokens the flow is measured."""
OF_NETWORKX = 4
"""How many tokens' flows networkx is asked for."""


def main() -> None:
    """Print the table."""
    rows = [against_networkx()]
    for length in LENGTHS:
        matrices = random_matrices(length)
        seconds = median_seconds(partial(token_flows, matrices, 0))
        rows.append(
            (f"flows of {length} tokens", f"{seconds:.3f} s, {1e3 * seconds / length:.2f} ms each", "")
        )
    rows += [long_text(), shapley()]
    print_table(f"Attention flow, {LAYERS} layers", rows)


def random_matrices(length: int) -> Matrices:
    """Return the layer matrices of random attention."""
    chance = torch.Generator().manual_seed(length)
    scores = 4 * torch.randn(LAYERS, HEADS, length, length, generator=chance)
    return layer_matrices({"self": list(scores.softmax(-1))})


def against_networkx() -> tuple[str, str, str]:
    """Return how many times faster a flow is than networkx' Edmonds-Karp, with values that agree."""
    matrices = random_matrices(COMPARED)
    network = network_of(matrices, 0)
    graph: nx.DiGraph[int] = nx.DiGraph()
    edges = zip(network.tail.tolist(), network.head.tolist(), network.capacity.tolist(), strict=True)
    graph.add_weighted_edges_from(edges, weight="capacity")
    tokens = np.linspace(0, COMPARED - 1, OF_NETWORKX).astype(int).tolist()

    def by_networkx() -> list[float]:
        solve = nx.algorithms.flow.edmonds_karp
        return [nx.maximum_flow_value(graph, token, network.sink, flow_func=solve) for token in tokens]

    assert np.allclose(by_networkx(), token_flows(matrices, 0).flows[tokens], rtol=0, atol=1e-9)
    ours, theirs = medians_in_turn(lambda: token_flows(matrices, 0), by_networkx)
    each, their_each = ours / COMPARED, theirs / OF_NETWORKX
    what = f"a flow of {COMPARED} tokens against networkx' Edmonds-Karp"
    return (
        what,
        f"{their_each / each:.0f} times faster ({1e3 * each:.2f} ms, {1e3 * their_each:.0f} ms)",
        "500",
    )


def long_text() -> tuple[str, str, str]:
    """Return what the flows of the longest text take: a few are measured, and the memory of one."""
    matrices = random_matrices(LONG)
    network = network_of(matrices, 0)
    sources = np.eye(LONG, dtype=np.bool_)[np.linspace(0, LONG - 1, OF_LONG).astype(int)]
    network.graph  # noqa: B018 - made once for all flows
    each = _seconds(lambda: [maximum_flow(network, source) for source in sources]) / OF_LONG
    tracemalloc.start()
    maximum_flow(network_of(matrices, 0), sources[0])
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    what = f"flows of {LONG} tokens, from {OF_LONG} of them"
    return what, f"{each * LONG:.0f} s, {1e3 * each:.0f} ms each, {peak:.0f} MiB beside the matrices", ""


def shapley() -> tuple[str, str, str]:
    """Return what exact Shapley values take."""
    network = network_of(random_matrices(MAX_PLAYERS), 0)
    seconds = _seconds(lambda: shapley_values(flow_game(network)))
    return f"Shapley values of {MAX_PLAYERS} tokens, {2**MAX_PLAYERS:,} flows", f"{seconds:.1f} s", ""


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
