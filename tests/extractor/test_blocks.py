"""Every block's value against plain torch, its Jacobian products against autograd, also at chosen rows."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ipgraph.extractor.models.blocks import (
    Activation,
    Block,
    Identity,
    LayerNorm,
    Linear,
    RMSNorm,
    Rotary,
    take,
)
from ipgraph.extractor.models.composites import Chain, Columns, Gate, PerHead, Residual
from ipgraph.extractor.tracing.rows import rows_of

B, S, N, H = 2, 3, 5, 12
CHANCE = torch.Generator().manual_seed(0)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=CHANCE, dtype=torch.float64)


class Case(NamedTuple):
    """A block and the same map in plain torch, of rows [B, S, N, H]."""

    block: Block
    plain: Callable[[Tensor], Tensor]


W, V, BIAS, GAIN, SMALL_GAIN = random(8, H), random(8, H), random(8), random(H), random(4)
ANGLES = torch.arange(N, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.1], dtype=torch.float64)
ROTARY = Rotary(ANGLES.cos().repeat(1, 2), ANGLES.sin().repeat(1, 2), size=6)


def rotated(x: Tensor) -> Tensor:
    """Return heads of 6 units whose units (0, 2) and (1, 3) turn as complex numbers; the last two stay."""
    heads = x.unflatten(-1, (-1, 6))
    turned = (
        torch.complex(heads[..., :2], heads[..., 2:4]) * torch.polar(torch.ones_like(ANGLES), ANGLES)[:, None]
    )
    return torch.cat([turned.real, turned.imag, heads[..., 4:]], -1).flatten(-2)


def rms(x: Tensor, gain: Tensor) -> Tensor:
    return functional.rms_norm(x, gain.shape, gain, 1e-3)


CASES = {
    "identity": Case(Identity(), lambda x: x),
    "linear": Case(Linear(W, BIAS), lambda x: x @ W.T + BIAS),
    "linear without bias": Case(Linear(W), lambda x: x @ W.T),
    "layer norm": Case(
        LayerNorm(GAIN, GAIN, 1e-3), lambda x: functional.layer_norm(x, (H,), GAIN, GAIN, 1e-3)
    ),
    "layer norm without bias": Case(
        LayerNorm(GAIN, None, 1e-3), lambda x: functional.layer_norm(x, (H,), GAIN, None, 1e-3)
    ),
    "rms norm": Case(RMSNorm(GAIN, 1e-3), lambda x: rms(x, GAIN)),
    "activation": Case(Activation(functional.gelu), functional.gelu),
    "rotary": Case(ROTARY, rotated),
    "chain": Case(Chain((Linear(W, BIAS), Activation(torch.tanh))), lambda x: torch.tanh(x @ W.T + BIAS)),
    "residual": Case(Residual(RMSNorm(GAIN, 1e-3)), lambda x: x + rms(x, GAIN)),
    "gate": Case(
        Gate(Chain((Linear(W), Activation(functional.silu))), Linear(V)),
        lambda x: functional.silu(x @ W.T) * (x @ V.T),
    ),
    "columns": Case(
        Columns((8, 4), (PerHead(4, RMSNorm(SMALL_GAIN, 1e-3)), Activation(torch.sin))),
        lambda x: torch.cat(
            [rms(x[..., :4], SMALL_GAIN), rms(x[..., 4:8], SMALL_GAIN), x[..., 8:].sin()], -1
        ),
    ),
    "rotary after a norm per head": Case(
        Chain((PerHead(4, RMSNorm(SMALL_GAIN, 1e-3)), Residual(ROTARY))),
        lambda x: (
            rms(x.unflatten(-1, (3, 4)), SMALL_GAIN).flatten(-2)
            + rotated(rms(x.unflatten(-1, (3, 4)), SMALL_GAIN).flatten(-2))
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_jacobian_products(name: str) -> None:
    block, plain = CASES[name]
    x, tangent = random(B, S, N, H), random(B, S, N, H)
    value, saved = block(x)
    expected, pushed = torch.func.jvp(plain, (x,), (tangent,))[:2]
    assert torch.allclose(value, expected, rtol=0, atol=1e-12)
    assert torch.allclose(block.jvp(saved, tangent), pushed, rtol=0, atol=1e-12)
    gradient = random(*value.shape)
    (pulled,) = torch.func.vjp(plain, x)[1](gradient)
    assert torch.allclose(block.vjp(saved, gradient), pulled, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_chosen_rows_give_what_all_rows_give(name: str) -> None:
    block, _ = CASES[name]
    x, tangent = random(B, S, N, H), random(B, S, N, H)
    value, saved = block(x)
    gradient = random(*value.shape)
    rows = rows_of(torch.tensor([[3, 0, 3], [1, 4, 2]]), S, N)
    chosen = take(saved, rows)
    for product, given in ((block.jvp, tangent), (block.vjp, gradient)):
        expected = product(saved, given).flatten(0, 2)[rows]
        assert torch.allclose(product(chosen, given.flatten(0, 2)[rows]), expected, rtol=0, atol=1e-13)
    some, _ = block(x.flatten(0, 2)[rows], rows % N)
    assert torch.allclose(some, value.flatten(0, 2)[rows], rtol=0, atol=1e-13)
