"""Layer matrices drawn at random, and their flow networks in networkx, built from the paper's words alone."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import strategies as st

WHOLE = 64
"""What a row of a drawn matrix sums to, in whole parts: so that all sums of capacities are exact."""
FINE = 2**50
"""Whole parts of softmax attention, so that sums are exact too."""
Node = tuple[str, int, int]


@st.composite
def drawn_rows(draw: st.DrawFn, rows: int, columns: int, *, least: int = WHOLE, causal: bool = False) -> Any:
    """Draw a matrix of rows whose sums are from `least` to WHOLE, with many zeros."""
    matrix = np.zeros((rows, columns))
    for row in range(rows):
        width, whole = row + 1 if causal else columns, draw(st.integers(least, WHOLE))
        places = draw(st.lists(st.integers(0, whole), min_size=width - 1, max_size=width - 1))
        matrix[row, :width] = np.diff([0, *sorted(places), whole])
    return matrix / WHOLE


@st.composite
def one_stack(draw: st.DrawFn, *, causal: bool = False, most: int = 5) -> dict[str, Any]:
    """Draw the layer matrices of an encoder, or of a decoder."""
    layers, tokens = draw(st.integers(1, 4)), draw(st.integers(1, most))
    return {"self": np.stack([draw(drawn_rows(tokens, tokens, causal=causal)) for _ in range(layers)])}


@st.composite
def two_stacks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the layer matrices of an encoder-decoder."""
    layers, depth, sources, targets = (draw(st.integers(1, 3)) for _ in range(4))
    return {
        "encoder": np.stack([draw(drawn_rows(sources, sources)) for _ in range(layers)]),
        "self": np.stack([draw(drawn_rows(targets, targets, causal=True)) for _ in range(depth)]),
        "cross": np.stack([draw(drawn_rows(targets, sources, least=0)) for _ in range(depth)]),
    }


def networkx_of(matrices: dict[str, Any], whole: int = WHOLE) -> Any:
    """Return the network of all nodes, its capacities in whole parts, each edge with its `layer`."""
    graph: Any = nx.DiGraph()
    encoder, own = matrices.get("encoder", []), matrices["self"]
    for step, matrix in enumerate(encoder, 1):
        add(graph, matrix, ("encoder", step - 1), ("encoder", step), step, whole)
    depth = len(encoder)
    for number, matrix in enumerate(own):
        middle = ("decoder", number + 1) if "cross" not in matrices else ("self", number + 1)
        add(graph, matrix, ("decoder", number), middle, depth := depth + 1, whole)
        if "cross" in matrices:
            cross = matrices["cross"][number]
            above, depth = ("decoder", number + 1), depth + 1
            add(graph, cross, ("encoder", len(encoder)), above, depth, whole)
            add(graph, np.diag(1 - cross.sum(-1)), middle, above, depth, whole)
    return graph


def add(
    graph: Any, matrix: Any, below: tuple[str, int], above: tuple[str, int], layer: int, whole: int
) -> None:
    for (e, j), entry in np.ndenumerate(matrix):
        tail, head = (*below, j), (*above, e)
        graph.add_nodes_from([tail, head])
        if entry > 0:
            graph.add_edge(tail, head, capacity=round(entry * whole), layer=layer)


def tokens_of(matrices: dict[str, Any]) -> list[Node]:
    """Return the nodes of the tokens, an encoder's first."""
    sources = range(matrices["encoder"].shape[-1]) if "encoder" in matrices else range(0)
    targets = range(matrices["self"].shape[-1])
    return [("encoder", 0, i) for i in sources] + [("decoder", 0, i) for i in targets]


def output_of(matrices: dict[str, Any], target: int) -> Node:
    return ("decoder", len(matrices["self"]), target)


def expected_flow(graph: Any, sources: Iterable[Node], sink: Node) -> int:
    """Return the maximum flow from some nodes together, in whole parts."""
    joined = graph.copy()
    joined.add_edges_from(("all", source) for source in sources)  # of no capacity: without limit
    if "all" not in joined:
        return 0
    return int(nx.maximum_flow_value(joined, "all", sink, flow_func=nx.algorithms.flow.edmonds_karp))


def expected_layer(graph: Any, source: Node, sink: Node) -> int:
    """Return the layer of most capacity in the cut around what the residual network reaches; 0 of no flow."""
    left = nx.algorithms.flow.edmonds_karp(graph, source, sink)
    full = [(a, b) for a, b, edge in left.edges(data=True) if edge["flow"] == edge["capacity"]]
    left.remove_edges_from(full)
    reached = {source, *nx.descendants(left, source)}
    by_layer: Counter[int] = Counter()
    for tail, head, edge in graph.edges(data=True):
        if tail in reached and head not in reached:
            by_layer[edge["layer"]] += edge["capacity"]
    return min(by_layer, key=lambda layer: (-by_layer[layer], layer)) if by_layer else 0
