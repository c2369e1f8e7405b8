"""Flow networks, heat maps of layer matrices and coloured text, against networkx and the arrays drawn."""

import re
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex, to_rgb
from rich.console import Console
from support.drawings import SVG, extent, looks, parts, svg, texts
from support.flow_networks import expected_flow, networkx_of, output_of, tokens_of

from ipgraph.cli.coloured_text import coloured
from ipgraph.cli.figures import flow, matrices, scored, style
from ipgraph.cli.figures.pen import THICK, THIN
from ipgraph.cli.flow_network import flow_network
from ipgraph.extractor.methods.attention_flow.edges import flow_edges
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.queries.views.layers import layer_maps
from ipgraph.queries.views.scored import Scored

WORDS = ("[CLS]", "the", "farmers", "<b>", "$x$", "[SEP]")
TWO_STACKS = ("a", "b", "c", "d", "A", "B")
SHARES = Scored("flow: toy", "flow", WORDS, (0.1, 0.2, 0.4, 0.1, 0.15, 0.05))
SIGNED = Scored("IG: toy", "integrated_gradients", WORDS, (0.5, -1.0, 0.25, 0.0, -0.5, 0.75))


def encoder(seed: int = 0, layers: int = 3, tokens: int = len(WORDS)) -> dict[str, Any]:
    """Return layer matrices whose rows sum to 1, with zeros."""
    rows = np.random.default_rng(seed).dirichlet(np.full(tokens, 0.4), (layers, tokens))
    rows[rows < 0.02] = 0
    return {"self": (rows / rows.sum(-1, keepdims=True) + np.eye(tokens)) / 2}


def encoder_decoder(seed: int = 0) -> dict[str, Any]:
    """Return the matrices of two layers of 4 and 2 tokens."""
    random = np.random.default_rng(seed)
    return {
        "encoder": random.dirichlet(np.ones(4), (2, 4)),
        "self": np.array([[[1, 0], [0.3, 0.7]], [[1, 0], [0.6, 0.4]]]),
        "cross": random.dirichlet(np.ones(4), (2, 2)) / 2,
    }


# ---- flow networks


@pytest.mark.parametrize("matrices_", [encoder(), encoder(5, 2), encoder_decoder()])
def test_edges_carry_the_maximum_flow_and_the_marked_ones_are_a_cut_of_its_value(matrices_: Any) -> None:
    graph, every = networkx_of(matrices_, 2**40), tokens_of(matrices_)
    target = matrices_["self"].shape[1] - 1
    sources = len(every) - matrices_["self"].shape[1]
    for token, source in enumerate(every):
        edges = flow_edges(matrices_, target, token)
        due = expected_flow(graph, [source], output_of(matrices_, target)) / 2**40
        assert sum(e.flow for e in edges if e.is_cut) == pytest.approx(due, abs=1e-7)
        balance: dict[tuple[int, int], float] = {}
        for edge in edges:
            assert 0 < edge.flow <= 1
            for node, sign in (((edge.start, edge.source), -1), ((edge.layer, edge.target), 1)):
                balance[node] = balance.get(node, 0) + sign * edge.flow
        last = max(edge.layer for edge in edges)
        ends = {node: round(flow_, 6) for node, flow_ in balance.items() if abs(flow_) > 1e-6}
        first = 0 if token < sources or not sources else len(matrices_["encoder"])
        assert ends == {(first, token): round(-due, 6), (last, sources + target): round(due, 6)}


def test_a_flow_network_is_drawn_with_its_flows_as_widths_and_its_cut_dashed() -> None:
    matrices_, token = encoder(), 2
    root = svg(flow.draw([flow_network(matrices_, SHARES, 5, token)]))
    drawn = {name: looks(path) for name, path in parts(root, "edge-").items()}
    edges = flow_edges(matrices_, 5, token)
    greatest = max(edge.flow for edge in edges)
    assert len(drawn) == len(edges) > 10
    for edge in edges:
        sign = "negative" if edge.is_cut else "positive"
        look = drawn[f"a-edge-{edge.layer}-{edge.source}-{edge.target}-hop-{sign}"]
        width = float(look.get("stroke-width", 1))
        assert (width - THIN) / (THICK - THIN) == pytest.approx(edge.flow / greatest, abs=1e-4)
        assert ("stroke-dasharray" in look) == edge.is_cut
        assert look["stroke"] == style.SIGNS[-1 if edge.is_cut else 1]
    words = " ".join(texts(root))
    flow_ = sum(edge.flow for edge in edges if edge.is_cut)
    assert f'flow: toy flow from "farmers" (2) = {flow_:.3g}' in words.replace("   ", " ")
    assert "is not unique" in words
    bars = {name: extent(path) for name, path in parts(root, "bar-").items()}
    assert bars["a-bar-2-0"] == pytest.approx(2 * bars["a-bar-1-0"], rel=1e-3)


def test_the_marked_edges_are_full_and_apart_they_cut_the_token_off() -> None:
    matrices_ = encoder(3)
    graph = networkx_of(matrices_, 2**40)
    cut = [edge for edge in flow_edges(matrices_, 5, 1) if edge.is_cut]
    for edge in cut:
        assert edge.flow == pytest.approx(
            matrices_["self"][edge.layer - 1, edge.target, edge.source], abs=1e-8
        )
        graph.remove_edge(("decoder", edge.start, edge.source), ("decoder", edge.layer, edge.target))
    assert not nx.has_path(graph, ("decoder", 0, 1), output_of(matrices_, 5))


def test_an_encoder_decoders_tokens_have_nodes_in_their_own_layers() -> None:
    root = svg(flow.draw([flow_network(encoder_decoder(), SHARES, 5, 0)]))
    nodes = set(parts(root, "a-embedding-"))
    assert nodes == {f"a-embedding-{layer}-{at}" for layer in (1, 2) for at in range(4)} | {
        f"a-embedding-{layer}-{at}" for layer in (3, 4, 5, 6) for at in (4, 5)
    }
    assert any(re.match(r"a-edge-[46]-[0-3]-[45]-", name) for name in parts(root, "edge-"))


def test_what_is_not_heard_has_no_edge_and_the_figure_says_so() -> None:
    causal = {"self": np.stack([np.tri(6) / np.arange(1, 7)[:, None]] * 2)}
    drawn = flow_network(causal, SHARES, 3, 5)
    assert (drawn.edges, drawn.empty) == ((), "nothing flows from [SEP] to the output")
    assert "nothing flows from" in " ".join(texts(svg(flow.draw([drawn]))))


@pytest.mark.parametrize(("token", "position"), [("", 2), ("the", 1), ("4", 4), ("[SEP]", 5)])
def test_a_token_is_named_by_its_text_or_position(token: str, position: int) -> None:
    assert SHARES.position_of(token) == position


def test_a_token_that_is_not_there_or_there_twice_is_said() -> None:
    twice = replace(SHARES, tokens=("a", "b", "a", "c", "d", "e"))
    with pytest.raises(UsageError, match="'a' is at positions 0, 2; name one of these"):
        twice.position_of("a")
    for token in ("x", "6"):
        with pytest.raises(
            UsageError, match=rf"there is no token '{token}'; the tokens are 0 to 5: a b a c d e"
        ):
            twice.position_of(token)


# ---- layer matrices


def test_a_heat_map_has_the_matrix_with_destinations_in_rows() -> None:
    matrices_ = encoder()
    figure = matrices.matrices(layer_maps(matrices_, WORDS, [2]))
    axes = figure.axes[0]
    (mesh,) = axes.findobj(QuadMesh)
    assert np.asarray(mesh.get_array()).reshape(6, 6) == pytest.approx(matrices_["self"][1])
    assert [label.get_text() for label in axes.get_yticklabels()] == list(WORDS)
    assert [label.get_text() for label in axes.get_xticklabels()] == list(WORDS)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("source", "destination")
    assert axes.yaxis_inverted()
    root = svg(figure)
    numbers = {
        g.get("id", ""): "".join(g.itertext()).strip()
        for g in root.iter(f"{SVG}g")
        if "-cell-" in g.get("id", "")
    }
    assert numbers == {
        f"a-cell-{e + 1}-{j + 1}": f"{100 * value:.0f}"
        for (e, j), value in np.ndenumerate(matrices_["self"][1])
        if round(100 * value)
    }
    fills = [look["fill"] for path in root.iter(f"{SVG}path") if "fill" in (look := looks(path))]
    greatest = matrices_["self"][1].max()
    due = [to_hex(colormaps[style.SCALE](value / greatest)) for value in matrices_["self"][1].flat]
    assert [fill for fill in fills if fill in set(due)][: len(due)] == due


def test_layers_of_an_encoder_decoder_are_counted_as_a_text_passes_them() -> None:
    matrices_ = encoder_decoder()
    maps = layer_maps(matrices_, TWO_STACKS, [1, 3, 4, 6], "alti: toy")
    assert [m.title for m in maps] == [
        "alti: toy   layer 1 (encoder)",
        "alti: toy   layer 3 (self)",
        "alti: toy   layer 4 (cross)",
        "alti: toy   layer 6 (cross)",
    ]
    assert [("".join(m.destinations), "".join(m.sources)) for m in maps] == [
        ("abcd", "abcd"),
        ("AB", "AB"),
        ("AB", "abcd"),
        ("AB", "abcd"),
    ]
    due = [matrices_["encoder"][0], matrices_["self"][0], matrices_["cross"][0], matrices_["cross"][1]]
    for drawn, matrix in zip(maps, due, strict=True):
        assert (drawn.values == matrix).all()
    assert len(matrices.matrices(maps).axes) == 4 + 1  # the colour bar
    assert layer_maps(matrices_, TWO_STACKS)[0].title == "layer 6 (cross)"
    with pytest.raises(UsageError, match="there are layer matrices of layers 1 to 6; you asked for 7"):
        layer_maps(matrices_, TWO_STACKS, [7])


def test_a_long_text_makes_a_wider_map_or_the_width_that_is_needed_is_said() -> None:
    words = [f"word{n}" for n in range(80)]
    maps = layer_maps(encoder(tokens=80), words, [1])
    assert matrices.matrices(maps).get_figwidth() > style.TEXT
    with pytest.raises(UsageError, match="needs a width of at least") as caught:
        matrices.matrices(maps, 3.0)
    needed = float(re.findall(r"at least ([\d.]+) inches", str(caught.value))[0])
    assert matrices.matrices(maps, needed).get_figwidth() == needed


# ---- coloured text


def colours(scores: Scored) -> dict[int, str]:
    found = parts(svg(scored.scored_texts([scores])), "a-box-")
    return {int(name.rpartition("-")[2]): looks(path).get("fill", "#000000") for name, path in found.items()}


@pytest.mark.parametrize("scores", [SHARES, SIGNED])
def test_tokens_stand_in_order_on_the_colours_of_their_scores(scores: Scored) -> None:
    root = svg(scored.scored_texts([scores]))
    tokens = [
        "".join(group.itertext()).strip()
        for group in root.iter(f"{SVG}g")
        if group.get("id", "").startswith("a-token-")
    ]
    assert tokens == list(WORDS)
    for position, fill in colours(scores).items():
        score = scores.scores[position]
        strength = abs(score) / scores.greatest
        due = [1 - strength * (1 - part) for part in to_rgb(style.SIGNS[1 if score >= 0 else -1])]
        assert to_rgb(fill) == pytest.approx(due, abs=1 / 255)


def test_the_colour_bar_ends_at_the_greatest_score_and_where_one_is_negative_at_its_opposite() -> None:
    assert {"0", "0.4"} <= set(texts(svg(scored.scored_texts([SHARES]))))
    assert {"−1", "0", "1"} <= set(texts(svg(scored.scored_texts([SIGNED]))))


def test_a_long_text_is_broken_into_lines_that_fit() -> None:
    many = Scored("t", "flow", WORDS * 20, SHARES.scores * 20)
    figure = scored.scored_texts([many, SHARES], 3.25)
    assert figure.get_figwidth() == 3.25
    rights, tops = {}, {}
    for patch in figure.axes[0].patches:
        if "-box-" in (name := patch.get_gid() or ""):
            box = patch.get_path().get_extents(patch.get_patch_transform())
            rights[name], tops[name] = box.x1, round(box.y0, 3)
    assert max(rights.values()) <= 3.25
    assert len(set(tops.values())) > 4
    ordered = [tops[f"a-box-{n}"] for n in range(len(WORDS) * 20)]
    assert ordered == sorted(ordered)


def test_all_scores_zero_are_drawn_white() -> None:
    nothing = replace(SHARES, scores=(0.0,) * 6)
    assert set(colours(nothing).values()) == {"#ffffff"}
    assert coloured(nothing).plain.startswith("[CLS] the farmers")


def test_a_terminal_gets_the_same_colours_and_a_file_plain_text() -> None:
    text = coloured(SIGNED)
    assert text.plain.split("\n")[0] == " ".join(WORDS)
    styles = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert styles["the"] == f"#ffffff on {style.SIGNS[-1]}"
    assert styles["<b>"] == f"{style.INK} on #ffffff"
    console = Console(force_terminal=True, color_system="truecolor", width=200)
    with console.capture() as captured:
        console.print(text)
    assert "48;2;213;94;0mthe\x1b" in captured.get()
    assert text.plain.split("\n")[1] == "-1 ──────────────────── 1"
