"""Which nodes an ablation keeps: the union of Pi_+, and as many nodes per layer by other methods."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ipgraph.extractor.evaluation.ablation.forward import Kept
from ipgraph.extractor.tracing.sets import Sets


@dataclass(frozen=True)
class Nodes:
    """A set of nodes of each sentence's graph, with hops (the skip first) at the attention level."""

    embeddings: Tensor  # [B, L + 1, N]
    hops: Tensor | None = None  # [B, L, N, 1 + A]

    def __or__(self, other: "Nodes") -> "Nodes":
        """Return the union; hops stay where both have them."""
        both = None if self.hops is None or other.hops is None else self.hops | other.hops
        return Nodes(self.embeddings | other.embeddings, both)


def union_of(sets: Sets, words: Tensor, positions: int) -> Nodes:
    """Return the nodes of the patterns of chosen words [B, W], in sentences padded to `positions`."""
    b, _, layers, _ = sets.positions.shape
    present = (sets.present & words[:, :, None, None]).movedim(2, 1)
    places = sets.positions.movedim(2, 1).flatten(2)
    embeddings = torch.zeros(b, layers, positions, dtype=torch.bool, device=places.device)
    embeddings = _scatter(embeddings[..., None], places, present.flatten(2)[..., None])[..., 0]
    if sets.hops is None:
        return Nodes(embeddings)
    hops = (sets.hops.movedim(2, 1) & present[:, 1:, ..., None]).flatten(2, 3)
    kept = torch.zeros(b, layers - 1, positions, hops.shape[-1], dtype=torch.bool, device=places.device)
    return Nodes(embeddings, _scatter(kept, places[:, 1:], hops))


def _scatter(into: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """Return `into` [B, L, N, C] or-ed at places [B, L, I] with values [B, L, I, C]."""
    index = places[..., None].expand(values.shape)
    return into.byte().scatter_reduce(2, index, values.byte(), "amax").bool()


def target_column(like: Nodes, target: Tensor) -> Nodes:
    """Return the target's embeddings in every layer [B], and its skips where `like` has hops."""
    rows = torch.arange(len(target), device=target.device)
    column = torch.zeros_like(like.embeddings)
    column[rows, :, target] = True
    if like.hops is None:
        return Nodes(column)
    skips = torch.zeros_like(like.hops)
    skips[rows, :, target, 0] = True
    return Nodes(column, skips)


def every_node(like: Nodes, mask: Tensor) -> Nodes:
    """Return all nodes of the sentences' real positions [B, N]."""
    embeddings = mask[:, None].expand_as(like.embeddings)
    hops = None if like.hops is None else mask[:, None, :, None].expand_as(like.hops)
    return Nodes(embeddings, hops)


def skips_replaced(nodes: Nodes) -> Nodes:
    """Return the nodes with every head of its position in the place of each skip."""
    assert nodes.hops is not None  # noqa: S101 (attention level)
    heads = nodes.hops[..., 1:] | nodes.hops[..., :1]
    return Nodes(nodes.embeddings, torch.cat([torch.zeros_like(nodes.hops[..., :1]), heads], -1))


def same_size(nodes: Nodes, scores: Tensor, like: Nodes, first: Nodes | None) -> Nodes:
    """Return a method's nodes cut or filled by `scores` [B, L - 1, N] to as many per layer as `like` has.

    Its sources and target are those of `like`; nodes of `first` come before all others.
    """
    inner = nodes.embeddings[:, 1:-1]
    tier = inner.long() if first is None else inner.long() + 2 * first.embeddings[:, 1:-1].long()
    kept = _best(tier, scores, like.embeddings[:, 1:-1].sum(-1))
    return Nodes(torch.cat([like.embeddings[:, :1], kept, like.embeddings[:, -1:]], 1))


def random_sets(like: Nodes, inner: Tensor, first: Nodes | None, chance: Tensor) -> Kept:
    """Return draws [B, R, ...] of as many nodes per layer as `like` has, by chance [B, R, L, N, 2 + A].

    `inner` [B, L - 1, N] are those of the layers between that can be drawn. Sources and target are those of
    `like`. At the attention level as many of the heads and skips that enter the drawn embeddings (our choice,
    as in every pattern). Nodes of `first` are always drawn.
    """
    draws = chance.shape[1]

    def repeat(x: Tensor) -> Tensor:
        return x[:, None].expand(-1, draws, *x.shape[1:])

    whole = repeat(like.embeddings)
    scores = chance[:, :, :-1, :, 0].masked_fill(~inner[:, None], -torch.inf)
    tier = torch.zeros_like(scores, dtype=torch.long)
    if first is not None:
        tier += repeat(first.embeddings[:, 1:-1])
    drawn = _best(tier, scores, whole[:, :, 1:-1].sum(-1))
    embeddings = torch.cat([whole[:, :, :1], drawn, whole[:, :, -1:]], 2)
    if like.hops is None:
        return Kept(embeddings)
    enters = embeddings[:, :, 1:, :, None].expand(*embeddings.shape[:2], *like.hops.shape[1:])
    tier = enters.long()
    if first is not None and first.hops is not None:
        tier += repeat(first.hops)
    hops = _best(tier.flatten(3), chance[..., 1:].flatten(3), repeat(like.hops).sum((3, 4)))
    return Kept(embeddings, hops.view(enters.shape))


def _best(tier: Tensor, scores: Tensor, count: Tensor) -> Tensor:
    """Return the `count` [...] best of [..., C] by tier, then score."""
    by_score = scores.argsort(dim=-1, descending=True, stable=True)
    by_tier = tier.gather(-1, by_score).argsort(dim=-1, descending=True, stable=True)
    ranked = by_score.gather(-1, by_tier)
    chosen = torch.arange(scores.shape[-1], device=scores.device) < count[..., None]
    return torch.zeros_like(tier, dtype=torch.bool).scatter(-1, ranked, chosen.expand_as(ranked))
