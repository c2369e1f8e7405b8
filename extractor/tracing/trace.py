"""One forward and one backward pass over all samples, kept layer by layer (docs/algorithm.md, steps 1 and 2).

Tensors are sample-major: B sentences, S points of the path from baseline to input, N positions, A heads of d
units, embeddings of H units, and E destinations: all positions, in the last layer the target alone.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from ipgraph.extractor.models.adapter import Adapter, Layer
from ipgraph.extractor.models.blocks import Saved, select
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.heads import AT_INPUT, Quantity, decided, qoi
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.attention import Attention, attend, merge_heads, split_heads, window
from ipgraph.extractor.tracing.batch import Baseline, Batch, IntegrationPath, pad
from ipgraph.extractor.tracing.rows import among, at_positions

_LOGITS = 2**24
"""Logits whose gradient is taken at once, of a quantity that reads the whole vocabulary."""


@dataclass(frozen=True)
class Forward:
    """What a layer's forward pass leaves for its tangents and gradients, at every sample."""

    layer: Layer
    attention: Attention
    before: Saved  # rows (b, s, n)
    above: Saved  # rows (b, s, e)


@dataclass(frozen=True)
class LayerState(Forward):
    """The same with the QoI's gradients, with all that follows free."""

    g_context: Tensor  # [B, S, A, E, d], dq/dc
    g_residual: Tensor  # [B, S, E, H], dq/dh through what is beside the mixing step
    g_scores: Tensor  # [B, S, A, E, N], dq/d(q . k)

    def select(self, rows: Tensor) -> "LayerState":
        """Return the state of some sentences of the batch."""
        gradients = (self.g_context, self.g_residual, self.g_scores)
        return LayerState(
            self.layer,
            self.attention.select(rows),
            select(self.before, rows),
            select(self.above, rows),
            *(x.index_select(0, rows) for x in gradients),
        )


class Trace:
    """A batch's forward and backward pass over all samples.

    With `keep` false only each layer's input and gradient stay, and `layer` computes the rest again at each
    use: a tenth of the memory for about twice the time.
    """

    def __init__(
        self,
        adapter: Adapter,
        batch: Batch,
        integration_path: IntegrationPath,
        baseline: Tensor,
        *,
        keep: bool = True,
        words: Tensor | None = None,
        quantity: Quantity = qoi,
    ):
        """Run both passes; `baseline` is where words' paths start, [E] or of each word [B, N, E].

        They end at `words` [B, N, E], by default the batch's; `quantity` is the QoI.
        """
        self.adapter, self.batch, self.integration_path, self._keep = adapter, batch, integration_path, keep
        self.quantity = quantity
        b, n = batch.ids.shape
        self.size = (b, len(integration_path.points), n)
        self.heads, self.depth = adapter.heads, len(adapter.layers)
        self.words = words = adapter.words[batch.ids] if words is None else words
        self._baseline = baseline.expand_as(words)
        self.delta = delta = (words - self._baseline) * batch.mask[..., None]
        self.windows = [window(layer.mixing, n, batch.ids.device) for layer in adapter.layers]
        self.reach = _reach(self.windows, batch)
        # Words that differ from the baseline and are heard by the target, [B, N].
        self.has_pattern = (delta != 0).any(-1) & self.reach[0]
        # The QoI of baseline and input [B, 2], and the logits [B, 2] that it reads.
        self.qoi, self.qoi_logits = self._ends()
        h, entered = self._enter(integration_path.points)
        moved = delta[:, None].expand(b, self.size[1], n, -1).contiguous()
        self.start = adapter.enter.jvp(entered, moved)  # dh^0
        self._inputs: list[Tensor] = []
        forward = []
        for index in range(self.depth):
            self._inputs.append(h)
            h, half = self._forward(index, h)
            forward.append(half if keep else None)
        self._backward(forward, self._qoi_gradient(h[:, :, 0])[:, :, None])
        self.total_influence = self.mean((self.gradients[0] * self.start).sum(-1))  # [B, N], g(x_i)

    @property
    def completeness_error(self) -> Tensor:
        """By how much total influences miss the change in the QoI, sum_i g(x_i) - (q(x) - q(x_b)): [B]."""
        return self.total_influence.sum(1) - (self.qoi[:, 1] - self.qoi[:, 0])

    def gradient(self) -> Tensor:
        """Return the QoI's gradient at what moves, words or h^0, as the mean over samples: [B, N, E]."""
        _, entered = self._enter(self.integration_path.points)
        return self.mean(self.adapter.enter.vjp(entered, self.gradients[0]))

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over samples of values [B, S, ...]."""
        return torch.einsum("bs...,s->b...", values, self.integration_path.weights)

    def destination(self, index: int, position: Tensor) -> Tensor:
        """Return where positions stand among a layer's destinations (the last layer has one)."""
        return torch.zeros_like(position) if index == self.depth - 1 else position

    def following(self, index: int, source: Tensor) -> Tensor:
        """Return which positions above a layer see sources [B, W] below and reach the target, [B, W, N]."""
        reached, near = self.reach[index + 1][:, None], self.windows[index]
        return reached.expand(-1, source.shape[1], -1) if near is None else near.T[source] & reached

    def layer(self, index: int) -> LayerState:
        """Return a layer's state, computed again unless it was kept."""
        if self._keep:
            return self._states[index]
        _, half = self._forward(index, self._inputs[index])
        return _complete(half, self.gradients[index + 1])

    def attention_at_input(self) -> Iterator[Attention]:
        """Yield each layer's attention at the input itself, the only sample."""
        h, _ = self._enter(self.integration_path.points.new_ones(1))
        for index in range(self.depth):
            h, half = self._forward(index, h)
            yield half.attention

    def select(self, rows: Tensor) -> "Trace":
        """Return the trace of some sentences of the batch."""
        chosen = copy(self)
        chosen.batch = self.batch.select(rows)
        chosen.size = (len(rows), *self.size[1:])
        chosen.reach = [x.index_select(0, rows) for x in self.reach]
        by_sentence = ("has_pattern", "qoi", "qoi_logits", "start", "total_influence")
        for name in (*by_sentence, "_answer", "_baseline", "words", "delta"):
            setattr(chosen, name, getattr(self, name).index_select(0, rows))
        for name in ("_inputs", "gradients"):
            setattr(chosen, name, [x.index_select(0, rows) for x in getattr(self, name)])
        chosen._states = [state.select(rows) for state in self._states]
        return chosen

    def _enter(self, points: Tensor) -> tuple[Tensor, Saved]:
        """Return h^0 at points of the path from baseline to input, [B, S, N, H], and what was saved."""
        words = self._baseline[:, None] + points[:, None, None] * self.delta[:, None]
        return self.adapter.enter(words + self.adapter.offset(self.batch.types)[:, None])

    def _forward(self, index: int, h: Tensor) -> tuple[Tensor, Forward]:
        """Return the layer's output [B, S, E, H] and the forward half of its state."""
        layer = self.adapter.layers[index]
        only = self.batch.target if index == self.depth - 1 else None
        qkv, before = layer.before(h)
        attention = attend(layer.mixing, qkv, self.batch.mask, only)
        if only is not None:
            h = at_positions(h, only[:, None])
        value, above = layer.above(merge_heads(attention.context), h)
        return value, Forward(layer, attention, before, above)

    def _ends(self) -> tuple[Tensor, Tensor]:
        """Return the QoI of baseline and input, [B, 2], and the logits it reads, [B, 2]."""
        points = self.integration_path.points
        h, _ = self._enter(torch.stack([torch.zeros_like(points[0]), torch.ones_like(points[0])]))
        for index in range(self.depth):
            h, _ = self._forward(index, h)
        self._answer = h[:, -1:, 0]  # the target's last embedding at the input, [B, 1, H]
        qoi_logits = self.batch.qoi_logits
        if (qoi_logits == AT_INPUT).any():
            qoi_logits = decided(qoi_logits, self.class_logits()[:, 0])
        return self.quantity(self.adapter.logits, h[:, :, 0], qoi_logits), qoi_logits

    def _qoi_gradient(self, h: Tensor) -> Tensor:
        """Return dq/dh at the target, [B, S, H]."""
        if self.quantity is qoi:
            return self._qoi_gradient_at(h)
        samples = max(1, _LOGITS // (len(h) * len(self.adapter.words)))
        return torch.cat([self._qoi_gradient_at(part) for part in h.split(samples, 1)], 1)

    @torch.enable_grad()
    def _qoi_gradient_at(self, h: Tensor) -> Tensor:
        h = h.detach().requires_grad_()
        value = self.quantity(self.adapter.logits, h, self.qoi_logits)
        (gradient,) = torch.autograd.grad(value.sum(), h)
        return gradient

    def class_logits(self) -> Tensor:
        """Return the logits of all of a classifier's classes at the input, [B, 1, C]."""
        return self.adapter.logits(self._answer, None)

    def logits(self, rows: Tensor) -> Tensor:
        """Return the logits [B, 1, R] of vocabulary entries or classes [B, R] at the input."""
        return self.adapter.logits(self._answer, rows)

    def _backward(self, forward: list[Forward | None], gradient: Tensor) -> None:
        """Pull dq/dh back layer by layer; keep them, [B, S, E, H] at h^0 to h^L, as `gradients`."""
        states, gradients = [], []
        for index in reversed(range(self.depth)):
            half = forward[index] or self._forward(index, self._inputs[index])[1]
            gradients.append(gradient)
            state = _complete(half, gradient)
            gradient = self._pull(index, state)
            states.append(state if self._keep else None)
        self.gradients = [gradient, *reversed(gradients)]
        self._states: list[LayerState] = [s for s in reversed(states) if s is not None]

    def _pull(self, index: int, state: LayerState) -> Tensor:
        """Return dq/dh [B, S, N, H] at a layer's input."""
        g_residual = state.g_residual
        if index == self.depth - 1:
            g_residual = among(g_residual[:, :, None], self.batch.target, self.size[2])[:, :, 0]
        g_qkv = state.attention.pull(state.g_context, state.g_scores)
        return state.layer.before.vjp(state.before, g_qkv) + g_residual


def trace_of(
    model: LoadedModel,
    sentences: Sequence[Encoded],
    path: IntegrationPath,
    baseline: Baseline,
    *,
    keep: bool = True,
    at: str = "word",
    quantity: Quantity = qoi,
) -> Trace:
    """Return the trace of sentences as one padded batch.

    `at` is "word", where word embeddings move, or "input", where h^0 moves in a straight line to that of the
    input from that of the baseline.
    """
    adapter, batch = model.adapter, pad(model, sentences)
    words = adapter.words[batch.ids]
    start = baseline.of(words).expand_as(words)
    if at == "input":
        offset = adapter.offset(batch.types)
        start, words = (adapter.enter(x + offset)[0] for x in (start, words))
        adapter = adapter.from_input()
    return Trace(adapter, batch, path, start, keep=keep, words=words, quantity=quantity)


def _complete(half: Forward, gradient: Tensor) -> LayerState:
    """Return a layer's state with the gradients that dq/dh' [B, S, E, H] at its output gives."""
    contexts, g_residual = half.layer.above_vjp(half.above, gradient)
    g_context = split_heads(contexts, half.layer.mixing.size)
    g_scores = half.attention.g_scores(g_context)
    return LayerState(half.layer, half.attention, half.before, half.above, g_context, g_residual, g_scores)


def _reach(windows: list[Tensor | None], batch: Batch) -> list[Tensor]:
    """Return from which positions of h^0 to h^L the target can be reached, [B, N] each."""
    reached = torch.zeros_like(batch.mask).scatter(1, batch.target[:, None], value=True)
    by_layer = [reached]
    for near in reversed(windows):
        reached = batch.mask if near is None else batch.mask & (reached[:, :, None] & near).any(1)
        by_layer.insert(0, reached)
    return by_layer
