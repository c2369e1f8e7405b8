"""A transformer's computation graph as a pure function of its layers and positions (Lu et al. 2021).

Nodes: the inputs h^0 of every position; in each layer, at every destination, its heads, one skip and the
embedding that they enter; one output. Edges: input or embedding -> head of the next layer at the positions
that see it, and -> skip at the same position; head and skip -> the embedding they enter; the last embedding
-> output. At the embedding level heads and skips are left out: an embedding flows to all those that see it.

An encoder-decoder has two stacks of as many positions each. A layer continues the last embeddings of its own
stack; the heads of a cross-attention see the last embeddings of the other one.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ipgraph.graphstore.schema.arrow import arrow_schema
from ipgraph.graphstore.schema.labels import LABEL_WIDTH, node_id, node_label, parse_label
from ipgraph.graphstore.schema.records import Flow, Kind, Level, Node, columns

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

    def seen(self, position: int, positions: int) -> range:
        """Return which of `positions` positions the destination at a position sees."""
        first = 0 if self.behind is None else max(0, position - self.behind)
        last = positions - 1 if self.ahead is None else min(positions - 1, position + self.ahead)
        return range(first, last + 1)


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

    @property
    def stacks(self) -> int:
        """How many stacks there are: 2 in an encoder-decoder, else 1."""
        return max(layer.stack for layer in self.layers)

    def last(self, stack: int, before: int) -> int:
        """Return the last layer before layer `before` that makes embeddings of a stack; 0: its inputs."""
        return max((n for n in range(1, before) if self.layers[n - 1].stack == stack), default=0)


FULL_POSITIONS = 128
"""Stores hold every edge up to this many positions; past it only those that a pattern takes."""


def nodes(model: str, shape: GraphShape, positions: int) -> list[Node]:
    """Return the graph's nodes: inputs, embeddings by layer, heads, skips, and last the output."""
    layers = list(enumerate(shape.layers, 1))
    rows: list[tuple[Kind, int, int, int]] = [("input", 0, 0, n) for n in range(1, shape.stacks + 1)]
    rows += [("embedding", number, 0, layer.stack) for number, layer in layers]
    rows += [("head", n, head, layer.stack) for n, layer in layers for head in range(1, layer.heads + 1)]
    rows += [("skip", number, 0, layer.stack) for number, layer in layers]
    every = [
        _node(model, kind, layer, position, head, stack)
        for kind, layer, head, stack in rows
        for position in range(positions)
    ]
    return [*every, _output(model, shape)]


def _node(model: str, kind: Kind, layer: int, position: int, head: int, stack: int) -> Node:
    label = node_label(kind, layer, position, head, stack)
    return Node(node_id(model, label), label, model, kind, layer, position, head, stack)


def _output(model: str, shape: GraphShape) -> Node:
    return _node(model, "output", len(shape.layers) + 1, -1, 0, shape.layers[-1].stack)


def flow_tables(
    model: str, shape: GraphShape, positions: int, *, level: Level = "attention", start: int = 0
) -> Iterator[pa.Table]:
    """Yield the graph's edges (columns of Flow) that have an end at position `start` or later, by layer."""
    ids = pa.array([node.id for node in nodes(model, shape, positions)])
    for sources, targets in _edges(shape, positions, level):
        outputs = targets == len(ids) - 1
        late = np.maximum(sources % positions, np.where(outputs, 0, targets % positions)) >= start
        columns = [ids.take(pa.array(ends[late])) for ends in (sources, targets)]
        yield pa.table(columns, schema=arrow_schema(Flow))


def _edges(shape: GraphShape, positions: int, level: Level) -> Iterator[tuple[Indices, Indices]]:
    """Yield (source, target) numbers in the order of `nodes`; a node's position is its number mod N."""
    every = np.arange(positions)
    depth, first = len(shape.layers), shape.stacks

    def embeddings(stack: int, before: int) -> Indices:
        layer = shape.last(stack, before)
        return (first - 1 + layer if layer else stack - 1) * positions + every

    head = first + depth
    skip = head + sum(layer.heads for layer in shape.layers)
    for number, layer in enumerate(shape.layers, 1):
        before, read = embeddings(layer.stack, number), embeddings(layer.reads, number)
        after = (first - 1 + number) * positions + every
        if level == "embedding":
            yield _seen(layer, read, after)
            if layer.reads != layer.stack:
                yield before, after
            continue
        into = head * positions + np.arange(layer.heads * positions)
        skips = (skip + number - 1) * positions + every
        head += layer.heads
        yield _seen(layer, read, into)
        yield (
            np.concatenate([into, before, skips]),
            np.concatenate([np.tile(after, layer.heads), skips, after]),
        )
    output = (skip + depth) * positions
    yield (first - 1 + depth) * positions + every, np.full(positions, output)


def _seen(layer: GraphLayer, sources: Indices, targets: Indices) -> tuple[Indices, Indices]:
    """Return the pairs of one of N sources and one of a multiple of N targets that sees it."""
    pairs = np.repeat(sources, len(targets)), np.tile(targets, len(sources))
    if layer.behind is None and layer.ahead is None:
        return pairs
    back = pairs[1] % len(sources) - pairs[0] % len(sources)
    seen = np.ones(len(back), bool)
    if layer.behind is not None:
        seen &= back <= layer.behind
    if layer.ahead is not None:
        seen &= -back <= layer.ahead
    return pairs[0][seen], pairs[1][seen]


def graph_size(shape: GraphShape, positions: int, level: Level) -> int:
    """Return |G|: how many nodes the computation graph of one sentence has, the output included."""
    between = sum(layer.heads + 1 for layer in shape.layers) if level == "attention" else 0
    return positions * (shape.stacks + len(shape.layers) + between) + 1


def counts(shape: GraphShape, positions: int) -> tuple[int, int]:
    """Return how many nodes and edges the graph has at the attention level."""
    edges = positions
    for layer in shape.layers:
        seen = sum(len(layer.seen(position, positions)) for position in range(positions))
        edges += layer.heads * (seen + positions) + 2 * positions
    return graph_size(shape, positions, "attention"), edges


def digraph(
    model: str, shape: GraphShape, positions: int, *, level: Level = "attention"
) -> "nx.DiGraph[str]":
    """Return the graph as a networkx DiGraph: nodes by id with the properties of Node."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    kinds = ("head", "skip") if level == "embedding" else ()
    for node in nodes(model, shape, positions):
        if node.kind not in kinds:
            graph.add_node(node.id, **_properties(node))
    for table in flow_tables(model, shape, positions, level=level):
        graph.add_edges_from(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
    return graph


def _properties(node: Node) -> dict[str, Any]:
    return {name: getattr(node, name) for name in columns(Node) if name != "id"}


def path_count(
    shape: GraphShape,
    positions: int,
    level: Level,
    *,
    source: int | None = None,
    target: int | None = None,
    stack: int = 1,
) -> int:
    """Return exactly how many paths lead from input `source` to the last embedding at `target`, and out.

    None stands for every position; a `source` is one of `stack`, and without one the inputs of all stacks
    count. An embedding has the paths of those that it sees, once per head, and of the one that its skip
    continues.
    """
    paths = {
        number: [int(source is None or (source, stack) == (at, number)) for at in range(positions)]
        for number in range(1, shape.stacks + 1)
    }
    for layer in shape.layers:
        sums = [0, *accumulate(paths[layer.reads])]
        windows = (layer.seen(position, positions) for position in range(positions))
        heads = [sums[window.stop] - sums[window.start] for window in windows]
        before = paths[layer.stack]
        if level == "attention":
            paths[layer.stack] = [layer.heads * n + skip for n, skip in zip(heads, before, strict=True)]
        elif layer.reads == layer.stack:
            paths[layer.stack] = heads
        else:
            paths[layer.stack] = [n + skip for n, skip in zip(heads, before, strict=True)]
    ends = paths[shape.layers[-1].stack]
    return sum(ends) if target is None else ends[target]


def taken_flows(patterns: pa.Table, model: str, shape: GraphShape, start: int) -> set[tuple[str, str]]:
    """Return the edges with an end at `start` or later that attention patterns take, up to the output."""
    output = _output(model, shape).id
    attention = patterns.filter(pc.equal(patterns["level"], "attention"))
    pairs: Iterable[tuple[str, str]] = (
        pair for path in attention["path"].to_pylist() for pair in pairwise([*path, output])
    )
    return {pair for pair in pairs if max(map(_position, pair)) >= start}


def _position(node: str) -> int:
    return parse_label(node[-LABEL_WIDTH:]).position
