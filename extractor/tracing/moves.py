"""Patterns' moves through one layer: tangents pushed forward, gradients pulled back.

W patterns of each sentence stand at K places [B, W, K] below a layer with tangents [B, S, W, K, H] there, and
move to M places above it. One path has one place; several nodes per layer, or layers left free, have more.
Tangents and gradients at a layer come in pairs: heads [B, S, A, W, M, d] and, at the same positions below,
what goes beside them [B, S, W, M, H].
"""

from typing import TypeAlias

import torch
from torch import Tensor

from ipgraph.extractor.models.blocks import Saved, take
from ipgraph.extractor.tracing.attention import Pairs, Tangents, combine, split_heads
from ipgraph.extractor.tracing.rows import at, at_positions, rows_of
from ipgraph.extractor.tracing.trace import Trace

Terms: TypeAlias = tuple[Tensor, Tensor]
"""Of the heads [B, S, A, W, M, d] and of the skip [B, S, W, M, H] into the places above a layer."""


class Sources:
    """The places [B, W, K] of patterns below one layer."""

    def __init__(self, trace: Trace, index: int, source: Tensor):
        """Look up the layer's state; `index` counts layers from 0."""
        self.trace, self.index, self.source = trace, index, source
        self.state = trace.layer(index)

    def tangents(self, v: Tensor) -> Tangents:
        """Return how queries, keys and values move with tangents [B, S, W, K, H] at the places."""
        before = self.state.layer.before
        moved = before.jvp(take(self.state.before, self.rows()), v.flatten(0, 3))
        return self.state.attention.tangents(moved.view(*v.shape[:2], -1, moved.shape[-1]))

    def influences(self, v: Tensor, moved: Tangents) -> Tensor:
        """Return the influence of extending patterns to each position, [B, W, N]; not in the last layer."""
        state, source = self.state, self.source.flatten(1)
        sent, asked = state.attention.extensions(state.g_context, state.g_scores, source, moved)
        skip = (at_positions(state.g_residual, source) * v.flatten(2, 3)).sum(-1)
        extended, stay = self.trace.mean(sent).transpose(1, 2), self.trace.mean(asked + skip)
        scores = extended.scatter_add(2, source[..., None], stay[..., None])
        summed: Tensor = scores.unflatten(1, self.source.shape[1:]).sum(2)
        return summed

    def candidates(self, present: Tensor) -> Tensor:
        """Return which positions see one of the places that are present and reach the target: [B, W, N]."""
        following = self.trace.following(self.index, self.source.flatten(1)).unflatten(1, present.shape[1:])
        seen: Tensor = (following & present[..., None]).any(2)
        return seen

    def rows(self) -> Tensor:
        """Return where the places lie among the layer's rows (b, s, n)."""
        return rows_of(self.source.flatten(1), *self.trace.size[1:])


class Move:
    """Patterns' moves between the places below a layer and those [B, W, M] above it."""

    def __init__(self, sources: Sources, destination: Tensor):
        """Look up where the places are."""
        self.sources, self.destination = sources, destination
        self.trace, self.state = sources.trace, sources.state
        self.pairs = Pairs(self.state.attention, sources.source, destination)

    def terms(self, v: Tensor, moved: Tangents) -> Terms:
        """Return the tangents of the contexts at the places above, and what stays beside them."""
        return self.pairs.contexts(moved), combine(self.pairs.stays[:, :, 0], v)

    def push(self, contexts: Tensor, residual: Tensor) -> Tensor:
        """Return the tangents [B, S, W, M, H] above the layer."""
        flat = contexts.movedim(2, 4).flatten(4).flatten(0, 3)
        pushed = self.state.layer.above_jvp(self._above(), flat, residual.flatten(0, 3))
        return pushed.view(residual.shape)

    def free_gradients(self) -> Terms:
        """Return dq/d(contexts) and dq/d(what is beside) at the places above, with all that follows free."""
        row, places = self.pairs.row.flatten(1), self.pairs.row.shape[1:]
        residual = at_positions(self.state.g_residual, row).unflatten(2, places)
        return at(self.state.g_context, row).unflatten(3, places), residual

    def pull_above(self, gradient: Tensor) -> Terms:
        """Return a gradient [B, S, W, M, H] above the layer at its contexts and beside them."""
        contexts, residual = self.state.layer.above_vjp(self._above(), gradient.flatten(0, 3))
        heads = split_heads(contexts.view(*gradient.shape[:2], -1, contexts.shape[-1]), self._size)
        return heads.unflatten(3, gradient.shape[2:4]), residual.view(gradient.shape)

    def pull(self, heads: Tensor, residual: Tensor) -> Tensor:
        """Return the gradient [B, S, W, K, H] at the sources that gradients above them give."""
        pulled = self.pairs.pull(heads)
        saved = take(self.state.before, self.sources.rows())
        below = self.state.layer.before.vjp(saved, pulled.flatten(0, 2))
        stayed = combine(self.pairs.stays[:, :, 0].transpose(-1, -2), residual)
        return below.view(stayed.shape) + stayed

    @property
    def _size(self) -> int:
        return self.state.layer.mixing.size

    def _above(self) -> Saved:
        rows = rows_of(self.pairs.row.flatten(1), self.trace.size[1], self.state.attention.p.shape[3])
        return take(self.state.above, rows)


def influence_of_terms(trace: Trace, terms: Terms, gradients: Terms) -> Tensor:
    """Return the influence of the heads and the skip into each place, [B, W, M, 1 + A], the skip first."""
    heads = trace.mean((terms[0] * gradients[0]).sum(-1)).movedim(1, 3)
    skip = trace.mean((terms[1] * gradients[1]).sum(-1))
    return torch.cat([skip[..., None], heads], -1)


def keep(terms: Terms, hops: Tensor) -> Terms:
    """Return terms, zero at hops that are not kept: [B, W, M, 1 + A], or [B, W, M, 1] for all alike."""
    contexts, residual = terms
    heads = hops[..., -contexts.shape[2] :].movedim(3, 1)[:, None, ..., None]
    return contexts * heads, residual * hops[:, None, ..., :1]
