"""The computation graph against its definition written out, path counts against networkx's enumeration."""

from collections.abc import Iterator

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.graph import GraphLayer, GraphShape
from ipgraph.graphstore.schema.labels import node_label, parse_label
from ipgraph.graphstore.schema.records import LEVELS, Level

heads = st.integers(1, 2)
reach = st.none() | st.integers(0, 2)
encoders = st.lists(st.builds(GraphLayer, heads, reach, reach), min_size=1, max_size=3)
decoder_layers = st.lists(
    st.builds(GraphLayer, heads, reach, st.just(0), st.just(2), st.just(2))
    | st.builds(GraphLayer, heads, st.none(), st.none(), st.just(2), st.just(1)),
    min_size=1,
    max_size=2,
)
shapes = st.builds(lambda layers: GraphShape(tuple(layers)), encoders) | st.builds(
    lambda first, second: GraphShape((*first[:2], *second)), encoders, decoder_layers
)
positions = st.integers(1, 3)


def expected_edges(shape: GraphShape, positions: int) -> Iterator[tuple[str, str]]:
    """The attention level's edges by their definition, as pairs of labels."""
    last = dict.fromkeys((1, 2), ("input", 0))
    for number, layer in enumerate(shape.layers, 1):
        for e in range(positions):
            into = node_label("embedding", number, e, stack=layer.stack)
            skip = node_label("skip", number, e, stack=layer.stack)
            yield node_label(*last[layer.stack], e, stack=layer.stack), skip  # type: ignore[arg-type]
            yield skip, into
            for head in range(1, layer.heads + 1):
                at = node_label("head", number, e, head, layer.stack)
                yield at, into
                for j in range(positions):
                    behind, ahead = e - j, j - e
                    seen = layer.behind is None or behind <= layer.behind
                    if seen and (layer.ahead is None or ahead <= layer.ahead):
                        yield node_label(*last[layer.reads], j, stack=layer.reads), at  # type: ignore[arg-type]
        last[layer.stack] = ("embedding", number)
    stack = shape.layers[-1].stack
    for e in range(positions):
        output = node_label("output", len(shape.layers) + 1, -1, stack=stack)
        yield node_label("embedding", len(shape.layers), e, stack=stack), output


@given(shapes, positions)
@settings(deadline=None, max_examples=60)
def test_the_graph_is_the_one_defined(shape: GraphShape, positions: int) -> None:
    whole = graph.digraph("m", shape, positions)
    tables = [row for table in graph.flow_tables("m", shape, positions) for row in table.to_pylist()]
    edges = {(source.removeprefix("m/"), target.removeprefix("m/")) for source, target in whole.edges}
    assert edges == set(expected_edges(shape, positions))
    assert len(tables) == len(edges)
    assert graph.counts(shape, positions) == (whole.number_of_nodes(), whole.number_of_edges())
    assert nx.is_directed_acyclic_graph(whole)
    for node, facts in whole.nodes(data=True):
        assert parse_label(facts["label"]) == tuple(
            facts[key] for key in ("kind", "layer", "position", "head", "stack")
        )
        assert node == f"m/{facts['label']}"


@given(shapes, positions)
@settings(deadline=None, max_examples=60)
def test_an_embedding_flows_to_those_that_see_it(shape: GraphShape, positions: int) -> None:
    """At the embedding level two embeddings are joined where a head or a skip joins them."""
    attention = graph.digraph("m", shape, positions)
    joined = {
        (source, target)
        for between, facts in attention.nodes(data=True)
        if facts["kind"] in ("head", "skip")
        for source in attention.predecessors(between)
        for target in attention.successors(between)
    }
    output = {edge for edge in attention.edges if attention.nodes[edge[1]]["kind"] == "output"}
    assert set(graph.digraph("m", shape, positions, level="embedding").edges) == joined | output


@given(shapes, positions, st.sampled_from(LEVELS))
@settings(deadline=None, max_examples=60)
def test_sizes_and_paths_equal_enumeration(shape: GraphShape, positions: int, level: Level) -> None:
    whole = graph.digraph("m", shape, positions, level=level)
    assert graph.graph_size(shape, positions, level) == whole.number_of_nodes()
    facts = whole.nodes
    output = next(node for node in whole if facts[node]["kind"] == "output")
    total = [0] * positions
    for node in [node for node in whole if facts[node]["kind"] == "input"]:
        through = [0] * positions
        for path in nx.all_simple_paths(whole, node, output):
            through[facts[path[-2]]["position"]] += 1
        start = {"source": facts[node]["position"], "stack": facts[node]["stack"]}
        assert graph.path_count(shape, positions, level, **start) == sum(through)
        assert through == [
            graph.path_count(shape, positions, level, **start, target=target) for target in range(positions)
        ]
        total = [a + b for a, b in zip(total, through, strict=True)]
    assert graph.path_count(shape, positions, level) == sum(total)
    assert total == [graph.path_count(shape, positions, level, target=target) for target in range(positions)]


def test_path_counts_are_exact_beyond_machine_integers() -> None:
    shape = GraphShape.uniform(12, 12)
    count = graph.path_count(shape, 128, "attention", source=3, target=3)
    assert count == (1537**12 - 1) // 128 + 1
    assert count > 2**64
    assert graph.path_count(shape, 128, "embedding") == 128**13


def test_a_causal_path_never_goes_back() -> None:
    causal = GraphShape((GraphLayer(2, ahead=0),) * 3)
    assert graph.path_count(causal, 5, "attention", source=4, target=1) == 0
    # A path moves in one of three layers, by either head, and stays in the others by a head or the skip.
    assert graph.path_count(causal, 5, "attention", source=3, target=4) == 3 * 2 * 3 * 3


def test_an_encoder_decoders_nodes_tell_its_stacks_apart() -> None:
    shape = GraphShape(
        (GraphLayer(1), GraphLayer(1, ahead=0, stack=2, reads=2), GraphLayer(1, stack=2, reads=1))
    )
    labels = [node.label for node in graph.nodes("m", shape, 1)]
    assert labels == [
        "x00.--@0000",
        "X00.--@0000",
        "e01.--@0000",
        "E02.--@0000",
        "E03.--@0000",
        "h01.01@0000",
        "H02.01@0000",
        "H03.01@0000",
        "s01.--@0000",
        "S02.--@0000",
        "S03.--@0000",
        "Q04.--@----",
    ]
    seen = {target.removeprefix("m/") for _, target in graph.digraph("m", shape, 1).edges("m/e01.--@0000")}
    assert seen == {"H03.01@0000"}


@given(shapes)
@settings(deadline=None)
def test_a_shape_is_kept_as_text(shape: GraphShape) -> None:
    assert GraphShape.from_json(shape.to_json()) == shape


@pytest.mark.parametrize("layer", [GraphLayer(2), GraphLayer(2, behind=1, ahead=0)])
@pytest.mark.parametrize("start", [0, 1, 3])
def test_a_graph_grows_by_the_edges_of_its_new_positions(start: int, layer: GraphLayer) -> None:
    def edges(positions: int, start: int = 0) -> set[tuple[str, str]]:
        tables = graph.flow_tables("m", GraphShape((layer, layer)), positions, start=start)
        return {(row["source"], row["target"]) for table in tables for row in table.to_pylist()}

    assert edges(4) == edges(max(start, 1)) | edges(4, start)
    if start:
        assert not edges(start) & edges(4, start)
