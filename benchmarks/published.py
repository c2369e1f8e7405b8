"""The published way to guided pattern refinement: the masked network again for every word, layer and level.

One Jacobian-vector product (forward mode) carries the word's tangent along its pattern so far, one
vector-Jacobian product (reverse mode) gives the QoI's gradient at the guiding set; both run through every
layer of the network, in which everything off the pattern is detached. The baseline of speed claims.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

SKIP = -1


@dataclass
class Mask:
    """Which nodes stay attached: a position and a head or SKIP per layer; None leaves a layer free."""

    positions: list[int | None]
    choices: list[int | None] = field(default_factory=list)


class Network:
    """A BertForMaskedLM as a function of h^0 with a masked pattern, in plain torch."""

    def __init__(self, model: Any, target: int, rows: tuple[int, int]):
        self.model, self.target, self.rows = model, target, rows
        self.layers = list(model.bert.encoder.layer)
        self.heads: int = model.config.num_attention_heads

    def __call__(self, h: Tensor, mask: Mask) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
        """Return the QoI [S] and each layer's contexts [S, N, A, d], residuals and outputs [S, N, H]."""
        contexts, residuals, outputs = [], [], []
        for index, layer in enumerate(self.layers):
            choice = mask.choices[index] if mask.choices else None
            context, residual = self._attention(layer.attention.self, h), h
            if choice is not None:
                heads = torch.arange(self.heads) == choice
                context = torch.where(heads[:, None], context, context.detach())
                residual = residual if choice == SKIP else residual.detach()
            contexts.append(context)
            residuals.append(residual)
            mixed = layer.attention.output.dense(context.flatten(2)) + residual
            mixed = layer.attention.output.LayerNorm(mixed)
            h = layer.output.LayerNorm(layer.output.dense(layer.intermediate(mixed)) + mixed)
            position = mask.positions[index]
            if position is not None:
                here = torch.arange(h.shape[1]) == position
                h = torch.where(here[:, None], h, h.detach())
            outputs.append(h)
        return self._qoi(h[:, self.target]), contexts, residuals, outputs

    def _attention(self, attention: Any, h: Tensor) -> Tensor:
        q, k, v = (
            projection(h).view(*h.shape[:2], self.heads, -1).transpose(1, 2)
            for projection in (attention.query, attention.key, attention.value)
        )
        probabilities = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        contexts: Tensor = (probabilities @ v).transpose(1, 2)
        return contexts

    def _qoi(self, h: Tensor) -> Tensor:
        head = self.model.cls.predictions
        rows = list(self.rows)
        logits = torch.nn.functional.linear(
            head.transform(h), head.decoder.weight[rows], head.decoder.bias[rows]
        )
        qoi: Tensor = logits[:, 0] - logits[:, 1]
        return qoi


def refine(network: Network, h0: Tensor, tangents: Tensor, word: int) -> tuple[list[int], list[int]]:
    """Return a word's path of positions and its heads or SKIP; h0 and tangents are [S, N, H]."""
    depth, positions = len(network.layers), h0.shape[1]
    tangent = torch.zeros_like(tangents)
    tangent[:, word] = tangents[:, word]
    free: list[int | None] = [None] * depth
    path: list[int] = []
    sign = 0.0
    for index in range(depth):
        mask = Mask([*path, *free[len(path) :]])
        scores = (_jvp(network, h0, tangent, mask)[2][index] * _vjp(network, h0, Mask(free))[2][index]).sum(
            -1
        )
        if not sign:
            sign = 1.0 if scores.mean(0).sum() >= 0 else -1.0
        last = index == depth - 1
        path.append(network.target if last else int((sign * scores.mean(0)).argmax()))
    choices: list[int] = []
    for index, position in enumerate(path):
        below = word if index == 0 else path[index - 1]
        done: list[int | None] = [*choices, *free[len(choices) :]]
        ahead: list[int | None] = [None] * (index + 1) + list(path[index + 1 :])
        contexts, residuals, _ = _jvp(network, h0, tangent, Mask([*path[:index], *free[index:]], done))
        g_contexts, g_residuals, _ = _vjp(network, h0, Mask([*ahead[:index], position, *ahead[index + 1 :]]))
        terms = (contexts[index] * g_contexts[index])[:, position].sum(-1).mean(0)
        skip = (residuals[index] * g_residuals[index])[:, position].sum(-1).mean(0)
        candidates = torch.cat(
            [skip[None] if below == position else -sign * torch.full((1,), torch.inf), terms]
        )
        choices.append(int((sign * candidates).argmax()) - 1)
    assert positions > max(path)
    return [word, *path], choices


Kept = tuple[list[Tensor], list[Tensor], list[Tensor]]


def _jvp(network: Network, h0: Tensor, tangent: Tensor, mask: Mask) -> Kept:
    """Return the tangents of contexts, residuals and outputs, zero where nothing arrives."""
    with forward_ad.dual_level():
        _, *kept = network(forward_ad.make_dual(h0, tangent), mask)
        contexts, residuals, outputs = ([_tangent(x) for x in xs] for xs in kept)
    return contexts, residuals, outputs


def _tangent(x: Tensor) -> Tensor:
    primal, tangent = forward_ad.unpack_dual(x)
    return torch.zeros_like(primal) if tangent is None else tangent


def _vjp(network: Network, h0: Tensor, mask: Mask) -> Kept:
    """Return the QoI's gradients at contexts, residuals and outputs."""
    with torch.enable_grad():
        qoi, *kept = network(h0.detach().requires_grad_(), mask)
        flat = [x for xs in kept for x in xs]
        gradients = torch.autograd.grad(qoi.sum(), flat, allow_unused=True)
    found = [torch.zeros_like(x) if g is None else g for x, g in zip(flat, gradients, strict=True)]
    depth = len(network.layers)
    return found[:depth], found[depth : 2 * depth], found[2 * depth :]
