"""A decoder in plain torch that has, layer by layer, whatever the blocks of a real one may have.

The oracle runs it as it runs a Hugging Face model; nothing else of the library is imported here.
"""

import math
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ipgraph.extractor.models.oracle import FAMILIES, Places

FAMILIES["plain"] = Places("layers", "entry", "above.context")
VOCABULARY, WORD, HIDDEN, HEADS, GROUPS, SIZE, WIDE = 40, 7, 10, 4, 2, 6, 14
POSITIONS, TURNED, CAP, LOGIT_CAP, EPS = 24, 4, 1.5, 3.0, 1e-3


def weight(*shape: int, scale: float = 1.0) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape, dtype=torch.float64) * scale / math.sqrt(shape[-1]))


def gain(size: int) -> nn.Parameter:
    return nn.Parameter(1 + 0.2 * torch.randn(size, dtype=torch.float64))


def rms(x: Tensor, weight: Tensor) -> Tensor:
    normalised: Tensor = x / (x.square().mean(-1, keepdim=True) + EPS).sqrt() * weight
    return normalised


class Gated(nn.Module):
    """A gated feed-forward layer behind a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.gate, self.up, self.down = (
            gain(HIDDEN),
            weight(WIDE, HIDDEN),
            weight(WIDE, HIDDEN),
            weight(HIDDEN, WIDE),
        )

    def forward(self, h: Tensor) -> Tensor:
        x = rms(h, self.norm)
        fed: Tensor = (functional.silu(x @ self.gate.T) * (x @ self.up.T)) @ self.down.T
        return fed


class Above(nn.Module):
    """What follows a layer's contexts: projection, norm, what is beside them, feed-forward."""

    def __init__(self, is_parallel: bool) -> None:
        super().__init__()
        self.is_parallel, self.feed_forward = is_parallel, Gated()
        self.context = nn.Identity()
        self.out, self.norm = weight(HIDDEN, HEADS * SIZE, scale=2.0), gain(HIDDEN)

    def forward(self, context: Tensor, h: Tensor) -> Tensor:
        mixed = rms(self.context(context) @ self.out.T, self.norm) + h
        fed: Tensor = self.feed_forward(h if self.is_parallel else mixed)
        return mixed + fed


class Layer(nn.Module):
    """A causal layer: grouped keys and values, rotary positions, a window, a cap, a bias."""

    def __init__(self, behind: int | None, cap: float | None, is_biased: bool, is_parallel: bool) -> None:
        super().__init__()
        self.behind, self.cap, self.above = behind, cap, Above(is_parallel)
        self.entry = nn.Identity()
        self.norm, self.q_norm = gain(HIDDEN), gain(SIZE)
        self.qkv = weight((HEADS + 2 * GROUPS) * SIZE, HIDDEN, scale=2.5)
        self.qkv_bias = weight((HEADS + 2 * GROUPS) * SIZE, scale=2.0)
        self.bias = nn.Parameter(is_biased * torch.randn(HEADS, POSITIONS, POSITIONS, dtype=torch.float64))

    def forward(self, h: Tensor) -> Tensor:
        n = h.shape[1]
        projected = functional.linear(rms(self.entry(h), self.norm), self.qkv, self.qkv_bias)
        heads = projected.unflatten(-1, (-1, SIZE)).transpose(1, 2)
        q, k, v = heads.split((HEADS, GROUPS, GROUPS), 1)
        q, k = turn(rms(q, self.q_norm)), turn(k)
        k, v = (x.repeat_interleave(HEADS // GROUPS, 1) for x in (k, v))
        logits = q @ k.transpose(-1, -2) * SIZE**-0.5
        if self.cap is not None:
            logits = self.cap * (logits / self.cap).tanh()
        logits = logits + self.bias[:, :n, :n]
        sees = torch.tensor([[self.sees(e, j) for j in range(n)] for e in range(n)])
        p = logits.masked_fill(~sees, -torch.inf).softmax(-1)
        above: Tensor = self.above((p @ v).transpose(1, 2).flatten(2), h)
        return above

    def sees(self, destination: int, source: int) -> bool:
        return source <= destination and (self.behind is None or destination - source <= self.behind)


def angles() -> Tensor:
    frequencies = torch.tensor([1.0, 0.2], dtype=torch.float64)
    return torch.arange(POSITIONS, dtype=torch.float64)[:, None] * frequencies


def turn(x: Tensor) -> Tensor:
    """Return heads [..., N, SIZE] turned by their positions: units (0, 2) and (1, 3), as complex numbers."""
    by = torch.polar(torch.ones_like(angles()), angles())[: x.shape[-2]]
    turned = torch.complex(x[..., :2], x[..., 2:TURNED]) * by
    return torch.cat([turned.real, turned.imag, x[..., TURNED:]], -1)


class PlainModel(nn.Module):
    """Words (and token types) of WORD units, a projection, three unlike layers, a norm and capped logits."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.words: nn.Embedding = nn.Embedding.from_pretrained(
            torch.randn(VOCABULARY, WORD, dtype=torch.float64)
        )
        self.enter, self.norm, self.decoder = weight(HIDDEN, WORD), gain(HIDDEN), weight(VOCABULARY, HIDDEN)
        self.layers = nn.ModuleList(
            [
                Layer(behind=None, cap=CAP, is_biased=False, is_parallel=False),
                Layer(behind=2, cap=None, is_biased=False, is_parallel=True),
                Layer(behind=3, cap=CAP, is_biased=True, is_parallel=False),
            ]
        )
        self.types: nn.Embedding = nn.Embedding.from_pretrained(torch.randn(2, WORD, dtype=torch.float64))
        self.config = SimpleNamespace(model_type="plain", num_attention_heads=HEADS, num_hidden_layers=3)
        self.requires_grad_(False)

    def get_input_embeddings(self) -> Any:
        return self.words

    def forward(self, inputs_embeds: Tensor, token_type_ids: Tensor | None = None) -> Any:
        types = self.types.weight[0] if token_type_ids is None else self.types(token_type_ids)
        h = (inputs_embeds + types) @ self.enter.T
        for layer in self.layers:
            h = layer(h)
        return SimpleNamespace(logits=self.logits(h))

    def logits(self, h: Tensor) -> Tensor:
        return LOGIT_CAP * (rms(h, self.norm) @ self.decoder.T / LOGIT_CAP).tanh()

    def sees(self, layer: int, destination: int, source: int) -> bool:
        seen: bool = self.layers[layer].sees(destination, source)  # type: ignore[operator]
        return seen
