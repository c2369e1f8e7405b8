"""A transformer's computation graph as a pure function of its layers, heads and positions (Lu et al. 2021).

Nodes: the input h^0 and the embeddings h^1..h^L at every position; in each layer, at every destination, A
heads and one skip; one output. Edges: input or embedding -> head of the next layer at any position, and
-> skip at the same position; head and skip -> the embedding they enter; embedding L -> output.
At the embedding level heads and skips are left out: every embedding flows to every one of the next layer.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ipgraph.graphstore.schema.arrow import arrow_schema
from ipgraph.graphstore.schema.labels import LABEL_WIDTH, node_id, node_label, parse_label
from ipgraph.graphstore.schema.records import Flow, Kind, Level, Node, columns, graph_size

if TYPE_CHECKING:
    import networkx as nx

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GraphLayer:
    """A layer of the computation graph: one mixing step, and how far its destinations see."""

    heads: int
    behind: int | None = None  # positions before its own that a destination sees; None: all
    ahead: int | None = None
    stack: int = 1  # whose embeddings it makes
    reads: int = 1  # whose embeddings its heads see: 1 in a cross-attention of stack 2


@dataclass(frozen=True, slots=True)
class GraphShape:
    """What a model's computation graph follows from, beside the number of positions."""

    layers: tuple[GraphLayer, ...]

    @classmethod
    def uniform(cls, layers: int, heads: int) -> "GraphShape":
        """Return the shape of an encoder whose positions all see one another."""
        return cls((GraphLayer(heads),) * layers)

    def to_json(self) -> str:
        """Return the text that a Run keeps: a list of the layers' fields."""
        return json.dumps([asdict(layer) for layer in self.layers], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "GraphShape":
        """Return the shape that `to_json` wrote."""
        return cls(tuple(GraphLayer(**layer) for layer in json.loads(text)))


FULL_POSITIONS = 128
"""Stores hold every edge up to this many positions; past it only those that a pattern takes."""


def nodes(model: str, layers: int, heads: int, positions: int) -> list[Node]:
    """Return the graph's nodes: inputs and embeddings by layer, heads, skips, and last the output."""
    found = [
        _node(model, "embedding" if layer else "input", layer, position)
        for layer in range(layers + 1)
        for position in range(positions)
    ]
    found += [
        _node(model, "head", layer, position, head)
        for layer in range(1, layers + 1)
        for head in range(1, heads + 1)
        for position in range(positions)
    ]
    found += [
        _node(model, "skip", layer, position)
        for layer in range(1, layers + 1)
        for position in range(positions)
    ]
    return [*found, _node(model, "output", layers + 1, -1)]


def _node(model: str, kind: Kind, layer: int, position: int, head: int = 0) -> Node:
    label = node_label(kind, layer, position, head)
    return Node(node_id(model, label), label, model, kind, layer, position, head, stack=1)


def flow_tables(
    model: str, layers: int, heads: int, positions: int, *, level: Level = "attention", start: int = 0
) -> Iterator[pa.Table]:
    """Yield the graph's edges (columns of Flow) that have an end at position `start` or later, by layer."""
    ids = pa.array([node.id for node in nodes(model, layers, heads, positions)])
    for sources, targets in _edges(layers, heads, positions, level):
        outputs = targets == len(ids) - 1
        late = np.maximum(sources % positions, np.where(outputs, 0, targets % positions)) >= start
        columns = [ids.take(pa.array(ends[late])) for ends in (sources, targets)]
        yield pa.table(columns, schema=arrow_schema(Flow))


def _edges(layers: int, heads: int, positions: int, level: Level) -> Iterator[tuple[Indices, Indices]]:
    """Yield (source, target) numbers in the order of `nodes`; a node's position is its number mod N."""
    every = np.arange(positions)
    first_head = (layers + 1) * positions
    first_skip = first_head + layers * heads * positions
    for layer in range(1, layers + 1):
        before, after = (layer - 1) * positions + every, layer * positions + every
        if level == "embedding":
            yield np.repeat(before, positions), np.tile(after, positions)
            continue
        into = first_head + (layer - 1) * heads * positions + np.arange(heads * positions)
        skips = first_skip + (layer - 1) * positions + every
        yield np.repeat(before, len(into)), np.tile(into, positions)
        yield np.concatenate([into, before, skips]), np.concatenate([np.tile(after, heads), skips, after])
    yield layers * positions + every, np.full(positions, first_skip + layers * positions)


def counts(layers: int, heads: int, positions: int) -> tuple[int, int]:
    """Return how many nodes and edges the graph has at the attention level."""
    a_layer = heads * positions**2 + heads * positions + 2 * positions
    return graph_size(layers, heads, positions, "attention"), layers * a_layer + positions


def digraph(
    model: str, layers: int, heads: int, positions: int, *, level: Level = "attention"
) -> "nx.DiGraph[str]":
    """Return the graph as a networkx DiGraph: nodes by id with the properties of Node."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    kinds = ("head", "skip") if level == "embedding" else ()
    for node in nodes(model, layers, heads, positions):
        if node.kind not in kinds:
            graph.add_node(node.id, **_properties(node))
    for table in flow_tables(model, layers, heads, positions, level=level):
        graph.add_edges_from(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
    return graph


def _properties(node: Node) -> dict[str, Any]:
    return {name: getattr(node, name) for name in columns(Node) if name != "id"}


def path_count(
    layers: int,
    heads: int,
    positions: int,
    level: Level,
    *,
    source: int | None = None,
    target: int | None = None,
) -> int:
    """Return exactly how many paths lead from input `source` through embedding L at `target` to the output.

    None stands for every position. At the embedding level a pair of ends has N^(L-1) paths. At the attention
    level a layer's counts are A in every entry of an N x N matrix plus 1 (the skip) on its diagonal, whose
    L-th power is ((A N + 1)^L - 1) / N everywhere plus 1 on the diagonal.
    """
    pairs = (positions if source is None else 1) * (positions if target is None else 1)
    if level == "embedding":
        return int(pairs * positions ** (layers - 1))
    equal = (
        positions if source is None and target is None else int(None in (source, target) or source == target)
    )
    return int(pairs * (((heads * positions + 1) ** layers - 1) // positions) + equal)


def taken_flows(patterns: pa.Table, model: str, layers: int, start: int) -> set[tuple[str, str]]:
    """Return the edges with an end at `start` or later that attention patterns take, up to the output."""
    output = _node(model, "output", layers + 1, -1).id
    found: set[tuple[str, str]] = set()
    for path in patterns.filter(pc.equal(patterns["level"], "attention"))["path"].to_pylist():
        found.update(pair for pair in pairwise([*path, output]) if max(map(_position, pair)) >= start)
    return found


def _position(node: str) -> int:
    return parse_label(node[-LABEL_WIDTH:])[2]
