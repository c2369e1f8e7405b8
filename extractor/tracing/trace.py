"""One forward and one backward pass over all samples, kept layer by layer (docs/algorithm.md, steps 1 and 2).

Tensors are sample-major: B sentences, S points of the line from baseline to input, N positions, A heads of d
units, H = A d, and E destinations: all positions, in the last layer the target alone. "Rows" are (b, s, n)
flattened.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ipgraph.extractor.models.adapter import Adapter, Layer
from ipgraph.extractor.models.blocks import Saved


@dataclass(frozen=True)
class Batch:
    """Sentences of one padded batch.

    `rows` are the two classes (or vocabulary entries) whose logits' difference is the QoI; an entry of -1 is
    decided at the input: first the predicted class, second the best other one.
    """

    ids: Tensor  # [B, N]
    mask: Tensor  # [B, N], True at real tokens
    target: Tensor  # [B]
    rows: Tensor  # [B, 2]


@dataclass(frozen=True)
class Line:
    """The points x_b + a (x - x_b) and the weights of their mean; the first is x_b, the last x."""

    points: Tensor  # [S]
    weights: Tensor  # [S], sums to 1


@dataclass(frozen=True)
class LayerState:
    """What tangents and gradients need of one layer at every sample; heads come before positions."""

    layer: Layer
    q: Tensor  # [B, S, A, E, d]
    k: Tensor  # [B, S, A, N, d]
    v: Tensor  # [B, S, A, N, d]
    p: Tensor  # [B, S, A, E, N], attention probabilities
    context: Tensor  # [B, S, A, E, d]
    before: Saved
    after: Saved  # rows (b, s, e)
    g_context: Tensor  # [B, S, A, E, d], dq/dc
    g_residual: Tensor  # [B, S, E, H], dq/d(residual input)
    p_m: Tensor  # [B, S, A, E, N], P * M with M[e, j] = g_c[e] . (v_j - c_e): dq/d(attention logit)


class Trace:
    """A batch's forward and backward pass over all samples.

    With `keep` false only each layer's input and gradient stay, and `layer` computes the rest again at each
    use: a tenth of the memory for about twice the time.
    """

    def __init__(self, adapter: Adapter, batch: Batch, line: Line, baseline: Tensor, *, keep: bool = True):
        """Run both passes; `baseline` is the embedding [H] that every word's line starts from."""
        self.adapter, self.batch, self.line, self._keep = adapter, batch, line, keep
        b, n = batch.ids.shape
        self.size = (b, len(line.points), n)
        self.heads, self.depth = adapter.heads, len(adapter.layers)
        delta = (adapter.words[batch.ids] - baseline) * batch.mask[..., None]
        self.moves = (delta != 0).any(-1)  # [B, N]: words that differ from the baseline
        words = baseline + line.points[:, None, None] * delta[:, None] + adapter.offset(self.size[2])
        h, entered = adapter.enter(words)
        self.start = adapter.enter.jvp(entered, delta[:, None].expand(words.shape).contiguous())  # dh^0
        self._inputs: list[Tensor] = []
        forward = []
        for index in range(self.depth):
            self._inputs.append(h)
            h, state = self._forward(index, h)
            forward.append(state if keep else None)
        self.qoi, self.rows, gradient = self._qoi(h[:, :, 0])
        self._backward(forward, gradient[:, :, None])
        self.total_influence = self.mean((self.gradients[0] * self.start).sum(-1))  # [B, N], g(x_i)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over samples of values [B, S, ...]."""
        return torch.einsum("bs...,s->b...", values, self.line.weights)

    def destination(self, index: int, position: Tensor) -> Tensor:
        """Return where positions stand among a layer's destinations (the last layer has one)."""
        return torch.zeros_like(position) if index == self.depth - 1 else position

    def layer(self, index: int) -> LayerState:
        """Return a layer's state, computed again unless it was kept."""
        if self._keep:
            return self._states[index]
        _, state = self._forward(index, self._inputs[index])
        return self._complete(state, self.gradients[index + 1])

    def _forward(self, index: int, h: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """Return the layer's output [B, S, E, H] and the forward half of its state."""
        layer = self.adapter.layers[index]
        b, s, n, hidden = h.shape
        qkv, before = layer.before(h.flatten(0, 2))
        q, k, v = qkv.view(b, s, n, 3, self.heads, hidden // self.heads).permute(3, 0, 1, 4, 2, 5)
        residual = h
        if index == self.depth - 1:
            q, residual = self._at_target(q, 3), self._at_target(h, 2)
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        p = scores.masked_fill_(~self.batch.mask[:, None, None, None], -torch.inf).softmax(-1)
        context = p @ v
        mixed, _ = layer.out(merge_heads(context))
        out, after = layer.after((mixed + residual).flatten(0, 2))
        state = {"layer": layer, "q": q, "k": k, "v": v, "p": p, "context": context}
        return out.view(b, s, -1, hidden), state | {"before": before, "after": after}

    def _at_target(self, x: Tensor, axis: int) -> Tensor:
        """Return x at each sentence's target, as positions of one."""
        shape = [-1 if a == 0 else 1 for a in range(x.dim())]
        index = self.batch.target.view(shape).expand(*(1 if a == axis else n for a, n in enumerate(x.shape)))
        return x.gather(axis, index)

    def _qoi(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the QoI [B, S], the classes it reads [B, 2] and its gradient at the target [B, S, H]."""
        rows = self._decide(h)
        with torch.enable_grad():
            h = h.detach().requires_grad_()
            logits = self.adapter.logits(h, rows)
            qoi = logits[..., 0] - logits[..., 1]
            (gradient,) = torch.autograd.grad(qoi.sum(), h)
        return qoi.detach(), rows, gradient

    def _decide(self, h: Tensor) -> Tensor:
        rows = self.batch.rows
        if (rows >= 0).all():
            return rows
        scores = self.adapter.logits(h[:, -1:], None)[:, 0]
        first = torch.where(rows[:, 0] < 0, scores.argmax(-1), rows[:, 0])
        others = scores.scatter(-1, first[:, None], -torch.inf)
        return torch.stack([first, torch.where(rows[:, 1] < 0, others.argmax(-1), rows[:, 1])], -1)

    def _backward(self, forward: list[dict[str, Any] | None], gradient: Tensor) -> None:
        """Pull dq/dh back layer by layer; keep them, [B, S, E, H] at h^0 to h^L, as `gradients`."""
        states, gradients = [], []
        for index in reversed(range(self.depth)):
            state = forward[index] or self._forward(index, self._inputs[index])[1]
            gradients.append(gradient)
            complete = self._complete(state, gradient)
            gradient = self._pull(index, complete)
            states.append(complete if self._keep else None)
        self.gradients = [gradient, *reversed(gradients)]
        self._states = [s for s in reversed(states) if s is not None]

    def _complete(self, state: dict[str, Any], gradient: Tensor) -> LayerState:
        """Return a layer's state with the gradients that dq/dh' [B, S, E, H] at its output gives."""
        layer: Layer = state["layer"]
        g_residual = layer.after.vjp(state["after"], gradient.flatten(0, 2)).view(gradient.shape)
        g_context = split_heads(layer.out.vjp((), g_residual), self.heads)
        m = g_context @ state["v"].transpose(-1, -2) - (g_context * state["context"]).sum(-1, keepdim=True)
        return LayerState(**state, g_context=g_context, g_residual=g_residual, p_m=m.mul_(state["p"]))

    def _pull(self, index: int, state: LayerState) -> Tensor:
        """Return dq/dh [B, S, N, H] at a layer's input."""
        scale = state.q.shape[-1] ** -0.5
        g_q = state.p_m @ state.k * scale
        g_residual = state.g_residual
        if index == self.depth - 1:
            g_q, g_residual = self._from_target(g_q, 3), self._from_target(g_residual, 2)
        g_k = state.p_m.transpose(-1, -2) @ state.q * scale
        g_v = state.p.transpose(-1, -2) @ state.g_context
        g_qkv = torch.cat([merge_heads(g) for g in (g_q, g_k, g_v)], -1)
        pulled = state.layer.before.vjp(state.before, g_qkv.flatten(0, 2))
        return pulled.view(g_residual.shape) + g_residual

    def _from_target(self, x: Tensor, axis: int) -> Tensor:
        """Return x, whose positions are the targets alone, among all positions, zero elsewhere."""
        shape = list(x.shape)
        shape[axis] = self.size[2]
        view = [-1 if a == 0 else 1 for a in range(x.dim())]
        index = self.batch.target.view(view).expand(x.shape)
        return x.new_zeros(shape).scatter_(axis, index, x)


def merge_heads(x: Tensor) -> Tensor:
    """Return heads [B, S, A, N, d] side by side, [B, S, N, H]."""
    return x.transpose(2, 3).flatten(3)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return [B, S, N, H] as heads [B, S, A, N, d]."""
    return x.view(*x.shape[:-1], heads, -1).transpose(2, 3).contiguous()
