"""Guided refinement with several nodes a layer (Lu et al. 2021, footnote 2).

At each layer the k nodes that carry most in the direction of the word's sign are kept, of positions at the
embedding level, of the heads and skips into them at the attention level; influence sums over all paths
through the sets. Contributions of a layer's nodes add up, so the k best single ones are the best k.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ipgraph.extractor.methods.patterns.guided import at_sources, signs
from ipgraph.extractor.tracing.moves import Place
from ipgraph.extractor.tracing.sets import SetHop, Sets, by_hop, gradients_along, keep
from ipgraph.extractor.tracing.trace import Trace


def several_embeddings(trace: Trace, sources: Tensor, k: int) -> tuple[Sets, Tensor]:
    """Return patterns of words [B, W] with k positions a layer, and their influence [B, W]."""
    sign = signs(trace, sources)
    v, source = at_sources(trace.start, sources)[:, :, :, None], sources[..., None]
    influence = trace.total_influence.gather(1, sources)
    places = [_alone(sources, k)]
    for index in range(trace.depth - 1):
        scores = Place(trace, index, source.flatten(1)).influences(v.flatten(2, 3))
        scores = scores.unflatten(1, source.shape[1:]).sum(2)
        chosen, present, influence = _top(scores, sign, trace.batch.mask[:, None], k)
        if index < trace.depth - 2:
            hop = SetHop(trace, index, source, chosen)
            v = hop.push(*hop.terms(v)) * present[:, None, ..., None]
        source = chosen
        places.append((chosen, present))
    places.append(_alone(trace.batch.target[:, None].expand_as(sources), k))
    positions, present = (torch.stack(parts, 2) for parts in zip(*places, strict=True))
    return Sets(positions, present), influence


def several_attention(trace: Trace, embedding: Sets, k: int) -> tuple[Sets, Tensor]:
    """Return what refines embedding-level sets with k heads or skips a layer, and its influence [B, W]."""
    sources = embedding.positions[:, :, 0, 0]
    sign = signs(trace, sources)
    along = gradients_along(trace, embedding)
    v, source = at_sources(trace.start, sources)[:, :, :, None], sources[..., None]
    below = torch.ones_like(source, dtype=torch.bool)
    kept, influence = [], sign
    for index in range(trace.depth):
        above, present = embedding.positions[:, :, index + 1], embedding.present[:, :, index + 1]
        hop = SetHop(trace, index, source, above)
        terms = hop.terms(v)
        stays = ((above[..., None] == source[:, :, None]) & below[:, :, None]).any(-1, keepdim=True)
        valid = torch.cat([stays, stays.new_ones(*stays.shape[:3], trace.heads)], -1) & present[..., None]
        scores = by_hop(trace, terms, along[index]).flatten(2)
        chosen, real, influence = _top(scores, sign, valid.flatten(2), k)
        hops = torch.zeros_like(valid.flatten(2)).scatter(-1, chosen, real).view(valid.shape)
        kept.append(hops)
        if index < trace.depth - 1:
            v = hop.push(*keep(terms, hops)) * present[:, None, ..., None]
            source, below = above, present
    return replace(embedding, hops=torch.stack(kept, 2)), influence


def _alone(positions: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return positions [B, W] as the first of k places, and which places hold one."""
    places = torch.zeros(*positions.shape, k, dtype=torch.long, device=positions.device)
    places[..., 0] = positions
    return places, (torch.arange(k, device=positions.device) == 0).expand(places.shape)


def _top(scores: Tensor, sign: Tensor, valid: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the k best candidates [B, W, k], which of them exist, and the sum of their scores [B, W]."""
    signed = (scores * sign[..., None]).masked_fill(~valid, -torch.inf)
    order = signed.argsort(dim=-1, descending=True, stable=True)[..., :k]
    if order.shape[-1] < k:
        order = torch.nn.functional.pad(order, (0, k - order.shape[-1]))
    best = signed.gather(-1, order)
    distinct = torch.arange(k, device=scores.device) < scores.shape[-1]
    real = ~best.isinf() & distinct
    return order, real, (scores.gather(-1, order) * real).sum(-1)
