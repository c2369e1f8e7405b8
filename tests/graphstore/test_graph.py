"""The computation graph against its definition written out, path counts against networkx's enumeration."""

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.labels import parse_label
from ipgraph.graphstore.schema.records import LEVELS, Level, graph_size

small = {"layers": st.integers(1, 3), "heads": st.integers(1, 3), "positions": st.integers(1, 3)}


def expected_edges(layers: int, heads: int, positions: int) -> set[tuple[str, str]]:
    """The edges by their definition, as pairs of labels."""
    edges = set()
    for layer in range(1, layers + 1):
        for e in range(positions):
            into = f"e{layer:02d}.--@{e:04d}"
            for j in range(positions):
                before = f"{'e' if layer > 1 else 'x'}{layer - 1:02d}.--@{j:04d}"
                for head in range(1, heads + 1):
                    edges.add((before, f"h{layer:02d}.{head:02d}@{e:04d}"))
                    edges.add((f"h{layer:02d}.{head:02d}@{e:04d}", into))
                if j == e:
                    edges |= {(before, f"s{layer:02d}.--@{e:04d}"), (f"s{layer:02d}.--@{e:04d}", into)}
    return edges | {(f"e{layers:02d}.--@{e:04d}", f"q{layers + 1:02d}.--@----") for e in range(positions)}


@given(**small)
@settings(deadline=None, max_examples=15)
def test_the_graph_is_the_one_defined(layers: int, heads: int, positions: int) -> None:
    found = graph.digraph("m", layers, heads, positions)
    edges = {(source.removeprefix("m/"), target.removeprefix("m/")) for source, target in found.edges}
    assert edges == expected_edges(layers, heads, positions)
    assert graph.counts(layers, heads, positions) == (found.number_of_nodes(), found.number_of_edges())
    assert nx.is_directed_acyclic_graph(found)
    for node, facts in found.nodes(data=True):
        assert parse_label(facts["label"]) == tuple(
            facts[key] for key in ("kind", "layer", "position", "head")
        )
        assert node == f"m/{facts['label']}"


@given(level=st.sampled_from(LEVELS), **small)
@settings(deadline=None, max_examples=25)
def test_sizes_and_paths_equal_enumeration(level: Level, layers: int, heads: int, positions: int) -> None:
    whole = graph.digraph("m", layers, heads, positions, level=level)
    assert graph_size(layers, heads, positions, level) == whole.number_of_nodes()
    output = f"m/q{layers + 1:02d}.--@----"
    inputs = [f"m/x00.--@{i:04d}" for i in range(positions)]
    tails = {t: f"m/e{layers:02d}.--@{t:04d}" for t in range(positions)}
    total = 0
    for source, node in enumerate(inputs):
        paths = list(nx.all_simple_paths(whole, node, output))
        total += len(paths)
        assert graph.path_count(layers, heads, positions, level, source=source) == len(paths)
        for target, tail in tails.items():
            through = sum(path[-2] == tail for path in paths)
            assert graph.path_count(layers, heads, positions, level, source=source, target=target) == through
    assert graph.path_count(layers, heads, positions, level) == total


def test_path_counts_are_exact_beyond_machine_integers() -> None:
    count = graph.path_count(12, 12, 128, "attention", source=3, target=3)
    assert count == (1537**12 - 1) // 128 + 1
    assert count > 2**64


@pytest.mark.parametrize("start", [0, 1, 3])
def test_a_graph_grows_by_the_edges_of_its_new_positions(start: int) -> None:
    def edges(positions: int, start: int = 0) -> set[tuple[str, str]]:
        tables = graph.flow_tables("m", 2, 2, positions, start=start)
        return {(row["source"], row["target"]) for table in tables for row in table.to_pylist()}

    assert edges(4) == edges(max(start, 1)) | edges(4, start)
    if start:
        assert not edges(start) & edges(4, start)
