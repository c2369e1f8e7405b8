"""Guided pattern refinement by closed-form tangents, exact and batched (Lu et al. 2021; docs/algorithm.md).

1. `Trace` runs the model forward and the QoI backward over all samples, and keeps each layer's state.
2. Embedding level: every word's tangent is scored against every position of the next layer, moved to the best
   one in the direction of the word's sign, and pushed on. The last layer holds only the target.
3. The QoI's gradient is pulled back along each word's own embedding pattern.
4. Attention level: at each layer the terms of the chosen hop, one a head and the skip where the word stays,
   are scored against that gradient; the best one's tangent alone is pushed on.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ipgraph.extractor.tracing.moves import Hop, Place
from ipgraph.extractor.tracing.trace import Trace

SKIP = -1
"""The choice of the skip among an attention-level step's candidates; heads count from 0."""


@dataclass(frozen=True)
class Refinement:
    """Every word's pattern at one level; a margin is NaN where there was one candidate.

    Influence and margin have one entry a step of the path as the graph stores it.
    """

    positions: Tensor  # [B, W, L + 1], from the word itself to the target
    choices: Tensor | None  # [B, W, L], head or SKIP (attention level)
    influence: Tensor  # [B, W, L + 1] or [B, W, 2 L + 1]
    margin: Tensor


def refine_embeddings(trace: Trace, sources: Tensor) -> Refinement:
    """Return the embedding-level patterns of words at positions [B, W]."""
    sign = signs(trace, sources)
    v = at_sources(trace.start, sources)
    path, influence = [sources], [trace.total_influence.gather(1, sources)]
    margin = [torch.full_like(influence[0], torch.nan)]
    for index in range(trace.depth - 1):
        scores = Place(trace, index, path[-1]).influences(v)
        chosen, best, over = choose(scores, sign, trace.batch.mask[:, None])
        if index < trace.depth - 2:
            hop = Hop(trace, index, path[-1], chosen)
            v = hop.push(hop.contexts(v), hop.skip(v))
        path.append(chosen)
        influence.append(best)
        margin.append(over)
    path.append(trace.batch.target[:, None].expand_as(sources))
    influence.append(influence[-1])
    margin.append(margin[0])
    return Refinement(torch.stack(path, -1), None, torch.stack(influence, -1), torch.stack(margin, -1))


def refine_attention(trace: Trace, embedding: Refinement) -> Refinement:
    """Return the attention-level patterns that refine embedding-level ones."""
    path = embedding.positions
    sources = path[..., 0]
    sign = signs(trace, sources)
    gradients = gradients_along(trace, path)
    v = at_sources(trace.start, sources)
    influence = [embedding.influence[..., -1]]
    margin = [torch.full_like(influence[0], torch.nan)]
    choices = []
    for index in range(trace.depth):
        hop = Hop(trace, index, path[..., index], path[..., index + 1])
        dc = hop.contexts(v)
        heads, residual = gradients[index]
        skip = trace.mean((v * residual).sum(-1))[..., None]
        terms = torch.cat([skip, trace.mean((dc * heads).sum(-1)).transpose(1, 2)], -1)
        valid = torch.cat([hop.stays[..., None], torch.ones_like(terms[..., 1:], dtype=torch.bool)], -1)
        chosen, best, over = choose(terms, sign, valid)
        choices.append(chosen - 1)
        if index < trace.depth - 1:
            v = hop.push(only(dc, choices[-1]), v * (choices[-1] == SKIP)[:, None, :, None])
        influence += [best, best]
        margin += [over, margin[0]]
    return Refinement(path, torch.stack(choices, -1), torch.stack(influence, -1), torch.stack(margin, -1))


def gradients_along(trace: Trace, path: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return, for each layer, the QoI's gradient along paths [B, W, L + 1] at the heads and the residual.

    Heads [B, S, A, W, d] and residual [B, S, W, H] at each path's position above the layer; everything off
    the path above it is detached.
    """
    last = trace.depth - 1
    hop = Hop(trace, last, path[..., last], path[..., last + 1])
    top = trace.gradients[-1].expand(-1, -1, path.shape[1], -1)
    gradients = [hop.pull_after(top)]
    for index in range(last, 0, -1):
        below = Hop(trace, index - 1, path[..., index - 1], path[..., index])
        gradients.append(below.pull_after(hop.pull(*gradients[-1])))
        hop = below
    return gradients[::-1]


def choose(scores: Tensor, sign: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best candidate, its score and its margin over the runner-up, each [B, W].

    Scores and valid are [B, W, C]; the best maximises sign x score, the first among equals.
    """
    signed = (scores * sign[..., None]).masked_fill(~valid, -torch.inf)
    first = signed.max(-1, keepdim=True).values
    order = torch.arange(scores.shape[-1], device=scores.device)
    chosen = torch.where(signed == first, order, len(order)).min(-1).values
    rest = signed.scatter(-1, chosen[..., None], -torch.inf).max(-1).values
    margin = torch.where(torch.isinf(rest), torch.nan, first[..., 0] - rest)
    return chosen, scores.gather(-1, chosen[..., None])[..., 0], margin


def only(dc: Tensor, choice: Tensor) -> Tensor:
    """Return head tangents [B, S, A, W, d] with every head but the chosen one [B, W] zero."""
    heads = torch.arange(dc.shape[2], device=dc.device)
    return dc * (heads[:, None] == choice[:, None])[:, None, ..., None]


def signs(trace: Trace, sources: Tensor) -> Tensor:
    """Return 1 where a word's total influence is >= 0, else -1, as the influences' type."""
    g = trace.total_influence.gather(1, sources)
    return torch.where(g >= 0, 1.0, -1.0).to(g.dtype)


def at_sources(x: Tensor, sources: Tensor) -> Tensor:
    """Return x [B, S, N, H] at positions [B, W]."""
    return x.gather(2, sources[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3]))
