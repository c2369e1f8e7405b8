"""Patterns with any nodes per layer: their influence, and the QoI's gradients along them.

A layer holds K places, some of them empty, so that the same few lines serve a path (K = 1), several nodes per
layer (Lu et al. 2021, footnote 2), a layer that a pattern leaves free (K = N) and every head of a position.
The influence of a pattern sums over all paths through its sets.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ipgraph.extractor.tracing.moves import Move, Sources, Terms, keep
from ipgraph.extractor.tracing.rows import at_positions
from ipgraph.extractor.tracing.trace import Trace

SKIP = -1
"""The choice of the skip among an attention-level step's candidates; heads count from 0."""
ALL_HEADS = -2
"""The choice of every head at once."""


@dataclass(frozen=True)
class Sets:
    """The nodes of W patterns of each sentence, layer by layer; places that are not `present` are empty.

    `hops` holds, for the position at each place above a layer, whether its skip (first) and its heads are
    in the pattern; None at the embedding level, where every hop is.
    """

    positions: Tensor  # [B, W, L + 1, K], the word alone at layer 0, the target alone at layer L
    present: Tensor  # [B, W, L + 1, K]
    hops: Tensor | None = None  # [B, W, L, K, 1 + A]


def paths(positions: Tensor, choices: Tensor | None = None, heads: int = 0) -> Sets:
    """Return paths as sets: positions [B, W, L + 1] and each layer's head, SKIP or ALL_HEADS [B, W, L]."""
    sets = Sets(positions[..., None], torch.ones_like(positions[..., None], dtype=torch.bool))
    return sets if choices is None else replace(sets, hops=hops_of(choices, heads)[..., None, :])


def hops_of(choices: Tensor, heads: int) -> Tensor:
    """Return which hops choices [...] of a head, SKIP or ALL_HEADS keep: [..., 1 + A], the skip first."""
    numbers = torch.arange(-1, heads, device=choices.device)
    every = (choices == ALL_HEADS)[..., None] & (numbers >= 0)
    return (choices[..., None] == numbers) | every


def influence(trace: Trace, sets: Sets) -> Tensor:
    """Return the influence of each pattern, [B, W]."""
    *_, (move, terms) = walk(trace, sets)
    return joint_influence(trace, terms, move.free_gradients())


def steps(trace: Trace, sets: Sets) -> Tensor:
    """Return the influence of each pattern as its nodes are added in order, by the path's steps.

    Embedding level: [B, W, L + 1], the layers above still free. Attention level: [B, W, 2 L + 1], the hops
    above still those of the embedding pattern.
    """
    if sets.hops is None:
        influences = [trace.total_influence.gather(1, sets.positions[:, :, 0, 0])]
        influences += [joint_influence(trace, terms, m.free_gradients()) for m, terms in walk(trace, sets)]
        return torch.stack(influences, -1)
    along = gradients_along(trace, sets)
    influences = [influence(trace, replace(sets, hops=None))]
    for index, (_, terms) in enumerate(walk(trace, sets)):
        influences += [joint_influence(trace, terms, along[index])] * 2
    return torch.stack(influences, -1)


def walk(trace: Trace, sets: Sets) -> Iterator[tuple[Move, Terms]]:
    """Yield each layer's move and its terms, those of hops and places that are not in the patterns zero."""
    source = sets.positions[:, :, 0, :1]
    v = at_positions(trace.start, source[..., 0])[:, :, :, None]
    for index in range(trace.depth):
        above, present = sets.positions[:, :, index + 1], sets.present[:, :, index + 1, :, None]
        sources = Sources(trace, index, source)
        move = Move(sources, above)
        kept = present if sets.hops is None else present & sets.hops[:, :, index]
        terms = move.terms(v, sources.tangents(v))
        terms = terms if kept.all() else keep(terms, kept)
        yield move, terms
        if index < trace.depth - 1:
            v = move.push(*terms) * present[:, None]
            source = above


def joint_influence(trace: Trace, terms: Terms, gradients: Terms) -> Tensor:
    """Return the influence that reaches the places above, [B, W]."""
    weights = trace.integration_path.weights
    heads = torch.einsum("bsawmd,bsawmd,s->bw", terms[0], gradients[0], weights)
    skip = torch.einsum("bswmh,bswmh,s->bw", terms[1], gradients[1], weights)
    return heads + skip


def gradients_along(trace: Trace, sets: Sets) -> list[Terms]:
    """Return, by layer, the QoI's gradient at the contexts and beside them of the places above the layer.

    The patterns' positions further above are followed, by every hop; everything else there is detached.
    """
    w, k = sets.positions.shape[1], sets.positions.shape[3]
    gradient = trace.gradients[-1][:, :, :, None].expand(-1, -1, w, k, -1)
    gradients: list[Terms] = []
    for index in reversed(range(trace.depth)):
        above = sets.present[:, None, :, index + 1, :, None]
        gradient = gradient if above.all() else gradient * above
        move = Move(Sources(trace, index, sets.positions[:, :, index]), sets.positions[:, :, index + 1])
        gradients.insert(0, move.pull_above(gradient))
        if index:
            gradient = move.pull(*gradients[0])
    return gradients
