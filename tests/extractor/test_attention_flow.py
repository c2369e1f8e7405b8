"""Rollout, flow and the games of flows against networkx, sums over paths and all orders of the players."""

import math
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.flow_networks import (
    FINE,
    WHOLE,
    expected_flow,
    expected_layer,
    networkx_of,
    one_stack,
    output_of,
    tokens_of,
    two_stacks,
)

from ipgraph.extractor.methods.attention_flow.flow import maximum_flow, shares, spread, token_flows
from ipgraph.extractor.methods.attention_flow.matrices import layer_matrices, uniform_causal
from ipgraph.extractor.methods.attention_flow.network import network_of
from ipgraph.extractor.methods.attention_flow.rollout import rollout
from ipgraph.extractor.methods.attention_flow.scores import token_scores
from ipgraph.extractor.methods.attention_flow.shapley import (
    fixed_flow_game,
    flow_game,
    members,
    shapley_values,
)
from ipgraph.graphstore.common.errors import UsageError

DRAWN = one_stack() | one_stack(causal=True) | two_stacks()


def random_attention(layers: int, tokens: int, seed: int = 0, heads: int = 3) -> Any:
    """Return sharp softmax attention [L, A, N, N]."""
    chance = torch.Generator().manual_seed(seed)
    return (4 * torch.randn(layers, heads, tokens, tokens, generator=chance, dtype=torch.float64)).softmax(-1)


def dense(layers: int, tokens: int, seed: int = 0) -> dict[str, Any]:
    return layer_matrices({"self": list(random_attention(layers, tokens, seed))})


def causal_attention(layers: int, tokens: int) -> Any:
    attention = random_attention(layers, tokens).tril()
    return attention / attention.sum(-1, keepdim=True)


@settings(max_examples=60, deadline=None)
@given(DRAWN, st.data())
def test_flows_and_their_cuts_are_those_of_networkx(matrices: dict[str, Any], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, matrices["self"].shape[-1] - 1))
    graph, sink, found = networkx_of(matrices), output_of(matrices, target), token_flows(matrices, target)
    sources = tokens_of(matrices)
    assert (found.flows * WHOLE).tolist() == [expected_flow(graph, [source], sink) for source in sources]
    assert found.layers.tolist() == [expected_layer(graph, source, sink) for source in sources]


@pytest.mark.parametrize("seed", range(3))
def test_flows_of_softmax_attention_are_exact(seed: int) -> None:
    matrices = dense(5, 7, seed)
    graph, sink = networkx_of(matrices, FINE), output_of(matrices, 2)
    expected = [expected_flow(graph, [source], sink) / FINE for source in tokens_of(matrices)]
    found = token_flows(matrices, 2)
    assert np.allclose(found.flows, expected, rtol=0, atol=1e-12)
    assert found.layers.tolist() == [expected_layer(graph, source, sink) for source in tokens_of(matrices)]
    assert min(expected) < 0.9


@settings(max_examples=40, deadline=None)
@given(DRAWN)
def test_rollout_is_the_sum_of_products_along_paths(matrices: dict[str, Any]) -> None:
    """Path by path, by the edges of networkx' network."""
    graph, found = networkx_of(matrices), rollout(matrices)
    for target in range(len(found)):
        reached = {output_of(matrices, target): 1.0}
        while not set(reached) <= set(tokens_of(matrices)):
            node = max((n for n in reached if graph.pred[n]), key=lambda n: (n[0] != "encoder", n[1], n[0]))
            weight = reached.pop(node)
            for below, edge in graph.pred[node].items():
                reached[below] = reached.get(below, 0.0) + weight * edge["capacity"] / WHOLE
        expected = [reached.get(token, 0.0) for token in tokens_of(matrices)]
        assert np.allclose(found[target], expected, rtol=0, atol=1e-12)


def test_rollout_is_the_product_of_the_layers() -> None:
    attention = random_attention(4, 6)
    matrices = layer_matrices({"self": list(attention)})
    layers = [(0.5 * a.mean(0) + 0.5 * torch.eye(6)).numpy() for a in attention]
    assert np.allclose(matrices["self"], layers)
    assert np.allclose(rollout(matrices), layers[3] @ layers[2] @ layers[1] @ layers[0])


@settings(max_examples=40, deadline=None)
@given(DRAWN)
def test_a_flow_is_at_least_the_rollout_and_at_most_what_leaves_the_token(matrices: dict[str, Any]) -> None:
    network = network_of(matrices, 0)
    leaving = [network.capacity[network.tail == token].sum() for token in network.tokens]
    flows = token_flows(matrices, 0).flows
    assert (flows >= rollout(matrices)[0] - 1e-12).all()
    assert (flows <= np.minimum(leaving, 1) + 1e-12).all()


def test_the_joint_flow_is_one() -> None:
    network = network_of(dense(4, 6), 3)
    assert maximum_flow(network, np.ones(6, np.bool_)).flow == pytest.approx(1, abs=1e-12)


def test_attention_of_one_token() -> None:
    found = token_scores({"self": list(random_attention(3, 1))}, 0)
    assert (found.scores.tolist(), found.raw.tolist()) == ([1.0], [1.0])
    assert found.layers is not None
    assert found.layers.tolist() == [1]


def test_a_row_of_zeros_keeps_to_its_position() -> None:
    attention = random_attention(1, 3)[0]
    attention[:, 1] = 0
    matrices = layer_matrices({"self": [attention]})
    assert matrices["self"][0, 1].tolist() == [0, 1, 0]
    assert token_flows(matrices, 1).flows.tolist() == [0, 1, 0]


def test_of_equal_cuts_the_one_nearest_the_token_counts() -> None:
    """All that enters a position is 1, as is what leaves it, though a sixth is not a binary fraction."""
    first, sixths, last = np.zeros((6, 6)), np.full((6, 6), 1 / 6), np.zeros((6, 6))
    first[:, 0] = last[:, 3] = 1
    found = token_flows({"self": np.stack([first, sixths, last])}, 5)
    assert np.allclose(found.flows, [1, 0, 0, 0, 0, 0])
    assert found.layers.tolist() == [2, 0, 0, 0, 0, 0]


def test_causal_zeros_stay_zero() -> None:
    attentions = {"self": list(causal_attention(4, 7))}
    for method in ("rollout", "flow"):
        found = token_scores(attentions, 3, method)
        assert (found.scores[4:] == 0).all()
        assert (found.scores[:4] > 0).all()
        shorter = {"self": [a[:, :4, :4] for a in attentions["self"]]}
        assert np.allclose(found.scores[:4], token_scores(shorter, 3, method).scores)


@pytest.mark.parametrize("method", ["rollout", "flow"])
def test_corrections_for_the_position(method: Any) -> None:
    attentions = {"self": list(causal_attention(3, 5))}
    t, i = 3, np.arange(4)

    def scores(correction: str, **more: float) -> Any:
        return token_scores(attentions, t, method, correction, **more).scores[: t + 1]

    plain = scores("none")
    assert np.allclose(scores("position"), shares(plain * (i + 1)))
    assert np.allclose(scores("position", decay=0.5), shares(plain * (i + 1) ** 0.5))
    even = {"self": [torch.ones(1, 5, 5).tril() / torch.arange(1.0, 6.0)[:, None]] * 3}
    assert np.allclose(scores("uniform"), shares(plain / token_scores(even, t, method).scores[: t + 1]))
    bare = layer_matrices(attentions, identity=False)
    raw = rollout(bare)[t] if method == "rollout" else token_flows(bare, t).flows
    assert np.allclose(scores("distance"), shares(np.append(raw[:t] / (t - i[:t] + 2), 0.0)))
    assert np.allclose(bare["self"], causal_attention(3, 5).mean(1))


def test_under_uniform_attention_the_uniform_correction_leaves_no_difference() -> None:
    even = {"self": [torch.ones(2, 4, 4).tril()] * 3}  # rows are divided by their sums
    assert np.allclose(layer_matrices(even)["self"], uniform_causal(3, 4)["self"])
    assert np.allclose(token_scores(even, 3, correction="uniform").scores, 0.25)


@pytest.mark.parametrize("correction", ["distance", "position", "uniform"])
def test_corrections_are_for_decoders(correction: str) -> None:
    with pytest.raises(UsageError, match="is for decoders, and this model's tokens attend to later"):
        token_scores({"self": list(random_attention(2, 3))}, 0, correction=correction)
    stacks = {name: list(causal_attention(2, 3)) for name in ("encoder", "self", "cross")}
    with pytest.raises(UsageError, match="is for decoders"):
        token_scores(stacks, 0, correction=correction)


def test_an_unknown_correction_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"distence.*distance"):
        token_scores({"self": list(random_attention(2, 3))}, 0, correction="distence")


def test_halves_of_an_encoder_decoder() -> None:
    """Cross-attention is half of a decoder's position, and what it keeps is the other half."""
    own, cross = causal_attention(1, 2), random_attention(1, 3)[:, :, :2]
    attentions = {"encoder": list(random_attention(1, 3, 1)), "self": list(own), "cross": list(cross)}
    found = rollout(layer_matrices(attentions))
    kept = 0.5 * (0.5 * own[0].mean(0) + 0.5 * torch.eye(2, dtype=torch.float64))
    below = 0.5 * random_attention(1, 3, 1)[0].mean(0) + 0.5 * torch.eye(3, dtype=torch.float64)
    assert np.allclose(found, torch.cat([0.5 * cross[0].mean(0) @ below, kept], -1))
    assert np.allclose(found.sum(-1), 1)


def test_spread() -> None:
    assert spread(np.array([0.5, 0.25, 0.25, 0.0])) == (2, 1.5)
    assert spread(np.array([1.0])) == (1, 0)
    ratio, entropy = spread(np.zeros(2))
    assert (math.isnan(ratio), entropy) == (True, 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.data())
def test_shapley_values_are_means_over_all_orders(players: int, data: st.DataObject) -> None:
    size = (1 << players) - 1
    payoffs = np.array([0, *data.draw(st.lists(st.integers(-9, 9), min_size=size, max_size=size))], float)
    gains = np.zeros(players)
    for order in permutations(range(players)):
        inside = 0
        for player in order:
            gains[player] += payoffs[inside | 1 << player] - payoffs[inside]
            inside |= 1 << player
    assert np.allclose(shapley_values(payoffs), gains / math.factorial(players))


@settings(max_examples=15, deadline=None)
@given(one_stack(most=4) | two_stacks(), st.data())
def test_the_game_of_flows_is_that_of_networkx(matrices: dict[str, Any], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, matrices["self"].shape[-1] - 1))
    graph, tokens = networkx_of(matrices), tokens_of(matrices)
    expected = {}
    for chosen in product([False, True], repeat=len(tokens)):
        sources = [token for token, is_in in zip(tokens, chosen, strict=True) if is_in]
        expected[chosen] = expected_flow(graph, sources, output_of(matrices, target))
    payoffs = flow_game(network_of(matrices, target))
    sets = map(tuple, members(len(tokens)).tolist())
    assert dict(zip(sets, payoffs * WHOLE, strict=True)) == expected


def test_flows_are_shapley_values_of_the_fixed_flow_only() -> None:
    network = network_of(dense(3, 5), 1)
    game = fixed_flow_game(network)
    alone = [game[1 << token] for token in range(5)]
    assert np.allclose(shapley_values(game), alone)
    assert sum(alone) == pytest.approx(1, abs=1e-8)
    values, flows = shapley_values(flow_game(network)), token_flows(dense(3, 5), 1).flows
    assert values.sum() == pytest.approx(1, abs=1e-12)
    assert np.abs(shares(flows) - values).max() > 0.005


def test_a_fixed_flow_respects_what_leaves_each_token() -> None:
    network = network_of(dense(3, 5), 1)
    game = fixed_flow_game(network)
    for token in range(5):
        leaving = network.capacity[network.tail == network.tokens[token]].sum()
        assert 0 <= game[1 << token] <= leaving + 1e-8


def test_shapley_values_of_too_many_tokens_are_refused() -> None:
    with pytest.raises(UsageError, match="the text has 13 tokens, and at most 12 are allowed"):
        flow_game(network_of(dense(1, 13), 0))


def test_512_tokens() -> None:
    """Few layers and few tokens: each flow passes half a million edges."""
    matrices = dense(3, 512)
    network = network_of(matrices, 0)
    by_rollout = rollout(matrices)[0]
    for token in (0, 511):
        source = np.arange(512) == token
        found = maximum_flow(network, source)
        leaving = network.capacity[network.tail == token].sum()
        assert by_rollout[token] <= found.flow <= min(leaving, 1) + 1e-12
