"""Paths inside kept nodes, against networkx on the computation graph."""

import networkx as nx
import pytest
import torch

from ipgraph.extractor.evaluation.ablation.kept import Nodes
from ipgraph.extractor.evaluation.metrics import paths_inside
from ipgraph.graphstore.schema.graph import GraphLayer, GraphShape, digraph
from ipgraph.graphstore.schema.labels import node_id, node_label
from ipgraph.graphstore.schema.records import LEVELS, Level

LAYERS, HEADS, POSITIONS = 3, 2, 4
SHAPES = {
    "everything": GraphShape.uniform(LAYERS, HEADS),
    "causal": GraphShape((GraphLayer(HEADS, ahead=0),) * LAYERS),
    "windows": GraphShape((GraphLayer(HEADS, 1, 1), GraphLayer(HEADS, 2, 0), GraphLayer(HEADS))),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", SHAPES)
def test_paths_inside_are_those_of_the_graph_without_the_other_nodes(name: str, level: Level) -> None:
    torch.manual_seed(len(name))
    embeddings = torch.rand(2, LAYERS + 1, POSITIONS) < 0.8
    hops = torch.rand(2, LAYERS, POSITIONS, 1 + HEADS) < 0.8 if level == "attention" else None
    counts = paths_inside(Nodes(embeddings, hops), SHAPES[name])
    for row, count in enumerate(counts):
        kept = {
            node_label("embedding" if layer else "input", layer, e)
            for layer, e in embeddings[row].nonzero().tolist()
        }
        for layer, e, head in [] if hops is None else hops[row].nonzero().tolist():
            kept.add(node_label("head" if head else "skip", layer + 1, e, head))
        graph = digraph("m", SHAPES[name], POSITIONS, level=level)
        inside = graph.subgraph(node for node in graph if node.rpartition("/")[2] in kept)
        inputs = {node_id("m", node_label("input", 0, e)) for e in range(POSITIONS)} & set(inside)
        last = {node_id("m", node_label("embedding", LAYERS, e)) for e in range(POSITIONS)} & set(inside)
        assert count == sum(len(list(nx.all_simple_paths(inside, a, b))) for a in inputs for b in last)
    assert any(counts)
