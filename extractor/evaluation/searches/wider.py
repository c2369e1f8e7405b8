"""How good greedy patterns are: beam search, exhaustive where the beam is wide enough, and random patterns.

The searches share refinement's candidates and scores; at the attention level, as there, the hops along one
given embedding pattern are what is searched.
"""

import torch
from torch import Tensor

from ipgraph.extractor.methods.patterns.guided import SKIP, at_sources, gradients_along, only, signs
from ipgraph.extractor.methods.registry import Keys, random_hops, random_paths
from ipgraph.extractor.tracing.moves import Hop, Place
from ipgraph.extractor.tracing.sets import influence, paths
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.records import Level

MOST_PATHS = 20_000
"""Most paths a word that an exhaustive search looks at."""


def exhaustive_width(level: Level, layers: int, heads: int, positions: int) -> int:
    """Return the beam's width that looks at every path of a word; raises UsageError if they are too many."""
    width = positions ** (layers - 1) if level == "embedding" else int((heads + 1) ** layers)
    if width > MOST_PATHS:
        raise UsageError(
            f"an exhaustive search would look at {width:,} {level}-level paths a word, more than "
            f"{MOST_PATHS:,}; use a beam search, a smaller model or shorter sentences"
        )
    return width


def beam_embeddings(trace: Trace, sources: Tensor, width: int) -> Tensor:
    """Return the best influence [B, W] that a beam search over embedding-level paths of words finds."""
    sign, v, here = signs(trace, sources), at_sources(trace.start, sources), sources
    best = (sign * trace.total_influence.gather(1, sources))[..., None]
    for index in range(trace.depth - 1):
        scores = Place(trace, index, here).influences(v).unflatten(1, best.shape[1:])
        valid = ~best.isinf()[..., None] & trace.batch.mask[:, None, None]
        best, parent, chosen = _step(scores, valid, sign, width)
        if index < trace.depth - 2:
            hop = Hop(trace, index, here.gather(1, parent), chosen)
            v = at_sources(v, parent)
            v = hop.push(hop.contexts(v), hop.skip(v))
        here = chosen
    return sign * best[..., 0]


def beam_attention(trace: Trace, positions: Tensor, width: int) -> Tensor:
    """Return the best influence [B, W] over the hops along given embedding patterns [B, W, L + 1]."""
    sources = positions[..., 0]
    sign, v = signs(trace, sources), at_sources(trace.start, sources)
    along = gradients_along(trace, positions)
    best = torch.zeros_like(sign)[..., None]
    for index in range(trace.depth):
        k = best.shape[-1]
        source, above = (positions[..., index + i].repeat_interleave(k, 1) for i in (0, 1))
        hop = Hop(trace, index, source, above)
        heads, residual = along[index]
        dc = hop.contexts(v)
        by_head = trace.mean((dc * heads.repeat_interleave(k, 3)).sum(-1)).transpose(1, 2)
        by_skip = trace.mean((v * residual.repeat_interleave(k, 2)).sum(-1))
        scores = torch.cat([by_skip[..., None], by_head], -1)
        valid = torch.cat([hop.stays[..., None], torch.ones_like(by_head, dtype=torch.bool)], -1)
        valid = valid.unflatten(1, best.shape[1:]) & ~best.isinf()[..., None]
        best, parent, chosen = _step(scores.unflatten(1, best.shape[1:]), valid, sign, width)
        if index < trace.depth - 1:
            hop = Hop(trace, index, source.gather(1, parent), above.gather(1, parent))
            v = at_sources(v, parent)
            v = hop.push(only(hop.contexts(v), chosen - 1), v * (chosen - 1 == SKIP)[:, None, :, None])
    return sign * best[..., 0]


def _step(scores: Tensor, valid: Tensor, sign: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best of all beams' candidates [B, W, K, C]: their signed scores, beams and candidates.

    Scores [B, W, K'], best first and -inf where none is left; beams (among W K) and candidates [B, W K'].
    """
    w, k, c = scores.shape[1:]
    signed = (scores * sign[..., None, None]).masked_fill(~valid, -torch.inf).flatten(2)
    best, order = signed.topk(min(width, k * c), -1)
    parent = order // c + k * torch.arange(w, device=order.device)[:, None]
    return best, parent.flatten(1), (order % c).flatten(1)


def random_influences(
    trace: Trace, positions: Tensor, keys: Keys, level: Level, draws: int, seed: int
) -> Tensor:
    """Return the influence of random patterns of the words of given embedding patterns, [B, W, draws].

    Embedding level: positions drawn in every layer. Attention level: hops drawn along the given patterns
    (our choice: the published comparison does not say).
    """
    found = []
    for draw in range(1, draws + 1):  # draw 0 is the method `random`
        if level == "embedding":
            sets = paths(random_paths(trace, positions[..., 0], keys, seed=seed, draw=draw))
        else:
            hops = random_hops(trace, positions, keys, seed=seed, draw=draw)
            sets = paths(positions, hops, trace.heads)
        found.append(influence(trace, sets))
    return torch.stack(found, -1)
