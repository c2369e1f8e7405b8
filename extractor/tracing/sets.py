"""Patterns with any nodes a layer: tangents pushed through sets of positions, heads and skips.

`gpr` keeps one position a layer; here a layer holds K, some of them empty, so that the same few lines serve a
path (K = 1), several nodes a layer (Lu et al. 2021, footnote 2), a layer that a pattern leaves free (K = N)
and every head of a position. The influence of a pattern sums over all paths through its sets.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ipgraph.extractor.methods.patterns.guided import at_sources
from ipgraph.extractor.models.blocks import take
from ipgraph.extractor.tracing.moves import Place, at, rows_of
from ipgraph.extractor.tracing.trace import Trace

EVERY = -2
"""The choice of every head at once among an attention-level step's candidates; heads count from 0."""


@dataclass(frozen=True)
class Sets:
    """The nodes of W patterns of each sentence, layer by layer; places that are not `present` are empty.

    `hops` holds, for the position at each place above a layer, whether its skip (first) and its heads are
    in the pattern; None at the embedding level, where every hop is.
    """

    positions: Tensor  # [B, W, L + 1, K], the word alone at layer 0, the target alone at layer L
    present: Tensor  # [B, W, L + 1, K]
    hops: Tensor | None = None  # [B, W, L, K, 1 + A]

    def words(self, some: slice) -> "Sets":
        """Return some of the patterns of every sentence."""
        hops = None if self.hops is None else self.hops[:, some]
        return Sets(self.positions[:, some], self.present[:, some], hops)


def paths(positions: Tensor, choices: Tensor | None = None, heads: int = 0) -> Sets:
    """Return paths as sets: positions [B, W, L + 1] and a head, SKIP or EVERY in each layer [B, W, L]."""
    sets = Sets(positions[..., None], torch.ones_like(positions[..., None], dtype=torch.bool))
    return sets if choices is None else replace(sets, hops=hops_of(choices, heads)[..., None, :])


def hops_of(choices: Tensor, heads: int) -> Tensor:
    """Return which hops choices [...] of a head, SKIP or EVERY keep: [..., 1 + A], the skip first."""
    numbers = torch.arange(-1, heads, device=choices.device)
    every = (choices == EVERY)[..., None] & (numbers >= 0)
    return (choices[..., None] == numbers) | every


class SetHop(Place):
    """The hops between the places [B, W, K] below a layer and those [B, W, M] above it."""

    def __init__(self, trace: Trace, index: int, source: Tensor, destination: Tensor):
        """Look up what the formulas of `hops` need; `index` counts layers from 0."""
        super().__init__(trace, index, source.flatten(1))
        self.places, self.above = source.shape[1:], destination.shape[1:]
        self.row = trace.destination(index, destination.flatten(1))
        self.stays = (destination[..., None] == source[:, :, None]).to(trace.start.dtype)  # [B, W, M, K]

    def terms(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return what tangents [B, S, W, K, H] move above; those of empty places must be zero.

        Contexts [B, S, A, W, M, d] and residual [B, S, W, M, H].
        """
        state = self.state
        dq, dk, dv = (x.unflatten(3, self.places) for x in self.tangents(v.flatten(2, 3)))
        rows = at(state.p, self.row)
        columns = self._columns(rows)
        p = rows.unflatten(3, self.above).gather(-1, columns)
        q = at(state.q, self.row).unflatten(3, self.above)
        context = at(state.context, self.row)
        # How each row of attention moves: by its own query, where an item stays, and by the sources' keys.
        moved = rows * ((self.stays[:, None, None] @ dq).flatten(3, 4) @ state.k.transpose(-1, -2))
        asked = p * (q @ dk.transpose(-1, -2))
        moved = moved.unflatten(3, self.above).scatter_add(-1, columns, asked).flatten(3, 4) * self.scale
        contexts = moved @ state.v - moved.sum(-1, keepdim=True) * context
        return contexts.unflatten(3, self.above) + p @ dv, self.stays[:, None] @ v

    def _columns(self, rows: Tensor) -> Tensor:
        """Return the sources as columns of every destination's row of attention, [B, S, A, W, M, K]."""
        source: Tensor = self.source.unflatten(1, self.places)[:, None, None, :, None]
        return source.expand(*rows.shape[:3], *self.above, -1)

    def push(self, contexts: Tensor, residual: Tensor) -> Tensor:
        """Return the tangents [B, S, W, M, H] above the layer."""
        mixed = self.state.layer.out.jvp((), contexts.movedim(2, 4).flatten(4)) + residual
        saved = take(self.state.after, rows_of(self.row, self.trace.size[1], self.state.p.shape[3], 1))
        return self.state.layer.after.jvp(saved, mixed.flatten(0, 3)).view(mixed.shape)

    def free_gradients(self) -> tuple[Tensor, Tensor]:
        """Return dq/d(contexts) and dq/d(residual) at the places above, with all that follows free."""
        heads = at(self.state.g_context, self.row).unflatten(3, self.above)
        residual = at(self.state.g_residual[:, :, None], self.row)[:, :, 0].unflatten(2, self.above)
        return heads, residual


def influence(trace: Trace, sets: Sets) -> Tensor:
    """Return the influence of each pattern, [B, W]."""
    *_, (hop, terms) = walk(trace, sets)
    return joint(trace, terms, hop.free_gradients())


def steps(trace: Trace, sets: Sets) -> Tensor:
    """Return the influence of each pattern as its nodes are added in order, by the path's steps.

    Embedding level: [B, W, L + 1], the layers above still free. Attention level: [B, W, 2 L + 1], the hops
    above still those of the embedding pattern.
    """
    if sets.hops is None:
        found = [trace.total_influence.gather(1, sets.positions[:, :, 0, 0])]
        found += [joint(trace, terms, hop.free_gradients()) for hop, terms in walk(trace, sets)]
        return torch.stack(found, -1)
    along = gradients_along(trace, sets)
    found = [influence(trace, replace(sets, hops=None))]
    for index, (_, terms) in enumerate(walk(trace, sets)):
        found += [joint(trace, terms, along[index])] * 2
    return torch.stack(found, -1)


def walk(
    trace: Trace, sets: Sets, start: Tensor | None = None
) -> Iterator[tuple[SetHop, tuple[Tensor, Tensor]]]:
    """Yield each layer's hop and its terms, those of hops and places that are not in the patterns zero.

    `start` is dh^0 [B, S, N, H] where it is not the trace's own.
    """
    v = at_sources(trace.start if start is None else start, sets.positions[:, :, 0, 0])[:, :, :, None]
    source = sets.positions[:, :, 0, :1]
    for index in range(trace.depth):
        present = sets.present[:, :, index + 1, :, None]
        hop = SetHop(trace, index, source, sets.positions[:, :, index + 1])
        terms = keep(hop.terms(v), present if sets.hops is None else present & sets.hops[:, :, index])
        yield hop, terms
        if index < trace.depth - 1:
            v = hop.push(*terms) * present[:, None]
            source = sets.positions[:, :, index + 1]


def keep(terms: tuple[Tensor, Tensor], hops: Tensor) -> tuple[Tensor, Tensor]:
    """Return terms, zero at hops that are not kept: [B, W, M, 1 + A], or [B, W, M, 1] for all alike."""
    if hops.all():
        return terms
    contexts, residual = terms
    heads = hops[..., -contexts.shape[2] :].movedim(3, 1)[:, None, ..., None]
    return contexts * heads, residual * hops[:, None, ..., :1]


def by_hop(trace: Trace, terms: tuple[Tensor, Tensor], gradients: tuple[Tensor, Tensor]) -> Tensor:
    """Return the influence that each hop carries, [B, W, M, 1 + A], the skip first."""
    heads = trace.mean((terms[0] * gradients[0]).sum(-1)).movedim(1, 3)
    skip = trace.mean((terms[1] * gradients[1]).sum(-1))
    return torch.cat([skip[..., None], heads], -1)


def joint(trace: Trace, terms: tuple[Tensor, Tensor], gradients: tuple[Tensor, Tensor]) -> Tensor:
    """Return the influence that reaches the places above, [B, W]."""
    heads = torch.einsum("bsawmd,bsawmd,s->bw", terms[0], gradients[0], trace.line.weights)
    skip = torch.einsum("bswmh,bswmh,s->bw", terms[1], gradients[1], trace.line.weights)
    return heads + skip


def gradients_along(trace: Trace, sets: Sets) -> list[tuple[Tensor, Tensor]]:
    """Return, by layer, the QoI's gradient at the places' contexts and residual along the positions above.

    What becomes of a tangent is linear in it: one backward pass of autograd through the walk gives them all.
    """
    with torch.enable_grad():
        start = trace.start.detach().requires_grad_()
        hops, terms = zip(*walk(trace, replace(sets, hops=None), start), strict=True)
        gradients = hops[-1].free_gradients()
        last = sum((t * g).sum() for t, g in zip(terms[-1], gradients, strict=True))
        found = torch.autograd.grad(last, [t for pair in terms[:-1] for t in pair])
    return [*zip(found[0::2], found[1::2], strict=True), gradients]
