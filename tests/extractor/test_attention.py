"""Softmax attention: every field of a mixing step, and every form, against autograd through plain torch."""

import pytest
import torch
from torch import Tensor

from ipgraph.extractor.models.adapter import Mixing
from ipgraph.extractor.tracing.attention import Attention, Pairs, Tangents, attend
from ipgraph.extractor.tracing.rows import at

B, S, N, W = 3, 2, 6, 4
LENGTHS = torch.tensor([6, 5, 2])
MASK = torch.arange(N) < LENGTHS[:, None]
ONLY = torch.tensor([3, 4, 1])
BIAS = torch.randn(4, N, N, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
MIXINGS = {
    "every head its own keys": Mixing(heads=4, groups=4, size=3, scale=0.6),
    "groups": Mixing(heads=4, groups=2, size=3, scale=0.6),
    "one group": Mixing(heads=4, groups=1, size=5, scale=1.0),
    "no scale": Mixing(heads=4, groups=4, size=3, scale=0.0),
    "causal": Mixing(heads=4, groups=2, size=3, scale=0.6, ahead=0),
    "behind": Mixing(heads=4, groups=4, size=3, scale=0.6, behind=1),
    "window": Mixing(heads=4, groups=2, size=3, scale=0.6, behind=1, ahead=2),
    "itself alone": Mixing(heads=4, groups=4, size=3, scale=0.6, behind=0, ahead=0),
    "cap": Mixing(heads=4, groups=4, size=3, scale=0.9, cap=0.7),
    "bias": Mixing(heads=4, groups=4, size=3, scale=0.6, bias=lambda n: BIAS[:, :n, :n]),
    "all of them": Mixing(
        heads=4, groups=2, size=3, scale=0.9, behind=2, ahead=0, cap=0.7, bias=lambda n: BIAS[:, :n, :n]
    ),
}
pytestmark = pytest.mark.parametrize("name", MIXINGS)


def plain(mixing: Mixing, rows: Tensor) -> Tensor:
    """Return the contexts [B, S, A, N, d] of rows [B, S, N, (A + 2 G) d], head by head."""
    a, g, d = mixing.heads, mixing.groups, mixing.size
    contexts = []
    for head in range(a):
        key = (a + head * g // a) * d
        q, k, v = rows[..., head * d :][..., :d], rows[..., key:][..., :d], rows[..., key + g * d :][..., :d]
        logits = mixing.scale * torch.einsum("bsed,bsjd->bsej", q, k)
        if mixing.cap is not None:
            logits = mixing.cap * torch.tanh(logits / mixing.cap)
        if mixing.bias is not None:
            logits = logits + mixing.bias(N)[head]
        p = logits.masked_fill(~visible(mixing)[:, None], -torch.inf).softmax(-1)
        contexts.append(p @ v)
    return torch.stack(contexts, 2)


def visible(mixing: Mixing) -> Tensor:
    seen = torch.zeros(B, N, N, dtype=torch.bool)
    for b in range(B):
        for e in range(N):
            for j in range(int(LENGTHS[b])):
                is_behind = mixing.behind is None or e - j <= mixing.behind
                seen[b, e, j] = is_behind and (mixing.ahead is None or j - e <= mixing.ahead)
            if not seen[b, e].any():
                seen[b, e, e] = True
    return seen


def rows_of(mixing: Mixing, seed: int) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(B, S, N, sum(mixing.widths), generator=chance, dtype=torch.float64)


def random_like(x: Tensor, seed: int) -> Tensor:
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def attention_of(name: str, only: Tensor | None = None) -> tuple[Mixing, Tensor, Attention]:
    mixing = MIXINGS[name]
    rows = rows_of(mixing, 0)
    return mixing, rows, attend(mixing, rows, MASK, only)


def close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=0, atol=1e-12)


def one_of(x: Tensor, only: Tensor | None) -> Tensor:
    return x if only is None else at(x, only[:, None])


@pytest.mark.parametrize("only", [None, ONLY])
def test_value_tangent_and_gradient_at_every_position(name: str, only: Tensor | None) -> None:
    mixing, rows, attention = attention_of(name, only)
    moved = rows_of(mixing, 1)
    contexts, pushed = torch.func.jvp(lambda x: plain(mixing, x), (rows,), (moved,))[:2]
    assert contexts.isfinite().all()
    assert close(attention.context, one_of(contexts, only))
    assert close(attention.push(moved), one_of(pushed, only))
    gradient = random_like(attention.context, 2)
    (pulled,) = torch.func.vjp(lambda x: one_of(plain(mixing, x), only), rows)[1](gradient)
    assert close(attention.pull(gradient, attention.g_scores(gradient)), pulled)


def picked(index: Tensor, values: Tensor, w: int) -> Tensor:
    """Return zeros [B, S, N, n] with an item's values [B, S, W, K, n] added at its positions [B, W, K]."""
    where = index[:, w][:, None, :, None].expand(-1, S, -1, values.shape[-1])
    return values.new_zeros(B, S, N, values.shape[-1]).scatter_add(2, where, values[:, :, w])


def places(count: int, seed: int) -> Tensor:
    """Return distinct positions [B, W, count]."""
    return torch.rand(B, W, N, generator=torch.Generator().manual_seed(seed)).argsort(-1)[..., :count]


def tangents_at(attention: Attention, values: Tensor) -> Tangents:
    return attention.tangents(values.flatten(2, 3))


@pytest.mark.parametrize(("below", "above"), [(1, 1), (1, 3), (3, 1), (2, 3), (N, N)])
def test_tangents_between_sources_and_destinations(name: str, below: int, above: int) -> None:
    mixing, rows, attention = attention_of(name)
    source, destination = places(below, 3), places(above, 4)
    destination[:, 0, 0] = source[:, 0, 0]  # at least one stays
    values = random_like(rows.new_empty(B, S, W, below, rows.shape[-1]), 5)
    found = Pairs(attention, source, destination).contexts(tangents_at(attention, values))
    for w in range(W):
        moved = picked(source, values, w)
        _, pushed = torch.func.jvp(lambda x: plain(mixing, x), (rows,), (moved,))[:2]
        assert close(found[:, :, :, w], at(pushed, destination[:, w]))


@pytest.mark.parametrize(("below", "above"), [(1, 1), (1, 3), (3, 1), (2, 3), (N, N)])
def test_gradients_between_sources_and_destinations(name: str, below: int, above: int) -> None:
    mixing, rows, attention = attention_of(name)
    source, destination = places(below, 6), places(above, 7)
    destination[:, 0, 0] = source[:, 0, 0]
    heads = random_like(rows.new_empty(B, S, mixing.heads, W, above, mixing.size), 8)
    found = Pairs(attention, source, destination).pull(heads).unflatten(2, (W, below))
    pull = torch.func.vjp(lambda x: plain(mixing, x), rows)[1]
    for w in range(W):
        gradient = torch.zeros(B, S, mixing.heads, N, mixing.size, dtype=torch.float64)
        where = destination[:, w][:, None, None, :, None].expand_as(heads[:, :, :, w])
        (pulled,) = pull(gradient.scatter_add(3, where, heads[:, :, :, w]))
        expected = pulled.gather(2, source[:, w][:, None, :, None].expand(-1, S, -1, pulled.shape[-1]))
        assert close(found[:, :, w], expected)


def test_one_destination_takes_the_pairs_of_its_row(name: str) -> None:
    mixing, rows, attention = attention_of(name, ONLY)
    source, destination = places(2, 10), ONLY[:, None, None].expand(-1, W, 1)
    values = random_like(rows.new_empty(B, S, W, 2, rows.shape[-1]), 11)
    pairs = Pairs(attention, source, destination)
    found = pairs.contexts(tangents_at(attention, values))
    heads = random_like(found, 12)
    pulled = pairs.pull(heads).unflatten(2, (W, 2))
    for w in range(W):
        moved = picked(source, values, w)
        _, pushed = torch.func.jvp(lambda x: plain(mixing, x), (rows,), (moved,))[:2]
        assert close(found[:, :, :, w], at(pushed, ONLY[:, None]))
        pull = torch.func.vjp(lambda x: at(plain(mixing, x), ONLY[:, None]), rows)[1]
        (gradient,) = pull(heads[:, :, :, w])
        where = source[:, w][:, None, :, None].expand(-1, S, -1, rows.shape[-1])
        assert close(pulled[:, :, w], gradient.gather(2, where))


def test_what_each_source_sends_to_every_destination(name: str) -> None:
    mixing, rows, attention = attention_of(name)
    source = places(1, 13)
    values = random_like(rows.new_empty(B, S, W, 1, rows.shape[-1]), 14)
    gradient = random_like(attention.context, 15)
    sent, asked = attention.extensions(
        gradient, attention.g_scores(gradient), source[..., 0], tangents_at(attention, values)
    )
    for w in range(W):
        moved = picked(source, values, w)
        _, pushed = torch.func.jvp(lambda x: plain(mixing, x), (rows,), (moved,))[:2]
        expected = (pushed * gradient).sum((2, 4))
        at_source = source[:, w, 0][:, None, None].expand(-1, S, 1)
        assert close(sent[..., w].scatter_add(2, at_source, asked[..., w, None]), expected)
