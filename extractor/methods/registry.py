"""The methods that choose paths: guided refinement, and those it is compared with (Lu et al. 2021, 4.1)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from ipgraph.extractor.methods.patterns.guided import Refinement, refine_attention, refine_embeddings
from ipgraph.extractor.methods.patterns.scored import FINDERS, Find
from ipgraph.extractor.tracing.sets import paths, steps
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.schema.records import LEVELS, Level

Keys = Sequence[str]
"""The instances' ids: what chance is seeded by, so that no batch changes what a sentence gets."""


@dataclass(frozen=True)
class Method:
    """How paths are chosen, and at which levels they are this method's own.

    `embedding` finds the paths of words at positions [B, W]; `attention`, if any, refines them into hops.
    """

    description: str
    levels: tuple[Level, ...]
    embedding: Callable[[Trace, Tensor, Keys], Refinement]
    attention: Callable[[Trace, Refinement, Keys], Refinement] | None = None

    def refine(
        self, trace: Trace, sources: Tensor, keys: Keys, levels: Iterable[Level]
    ) -> Iterator[Refinement]:
        """Yield the patterns of words at positions [B, W] at the levels asked for, embedding first."""
        embedding = self.embedding(trace, sources, keys)
        if "embedding" in levels:
            yield embedding
        if "attention" in levels and self.attention is not None:
            yield self.attention(trace, embedding, keys)


def along(trace: Trace, positions: Tensor, choices: Tensor | None = None) -> Refinement:
    """Return given paths [B, W, L + 1] and hops [B, W, L] with their influences; no margin led to them."""
    influence = steps(trace, paths(positions, choices, trace.heads))
    return Refinement(positions, choices, influence, torch.full_like(influence, torch.nan))


def generators(keys: Keys, seed: int, purpose: str, draw: int = 0) -> list[np.random.Generator]:
    """Return a generator for each instance, the same whatever is beside it, and others for each draw."""
    digests = (sha256(f"{purpose} {key}".encode()).digest()[:8] for key in keys)
    return [np.random.default_rng([seed, int.from_bytes(digest), draw]) for digest in digests]


def random_paths(trace: Trace, sources: Tensor, keys: Keys, *, seed: int = 0, draw: int = 0) -> Tensor:
    """Return paths [B, W, L + 1] through uniformly drawn positions."""
    lengths = trace.batch.mask.sum(1).tolist()
    shape = (trace.size[2], trace.depth - 1)
    own = generators(keys, seed, "paths", draw)
    drawn = np.stack([rng.integers(n, size=shape) for rng, n in zip(own, lengths, strict=True)])
    inner = torch.from_numpy(drawn).to(sources.device)
    inner = inner.gather(1, sources[..., None].expand(-1, -1, shape[1]))
    target = trace.batch.target[:, None].expand_as(sources)
    return torch.cat([sources[..., None], inner, target[..., None]], -1)


def random_hops(trace: Trace, positions: Tensor, keys: Keys, *, seed: int = 0, draw: int = 0) -> Tensor:
    """Return hops [B, W, L] of paths, drawn uniformly from the heads and, where a path stays, the skip."""
    shape = (trace.size[2], trace.depth)
    drawn = np.stack([rng.random(size=shape) for rng in generators(keys, seed, "hops", draw)])
    chance = torch.from_numpy(drawn).to(positions.device)
    chance = chance.gather(1, positions[..., :1].expand(-1, -1, shape[1]))
    stays = (positions[..., 1:] == positions[..., :-1]).long()
    return (chance * (trace.heads + stays)).long() - stays


def _scored(find: Find) -> Callable[[Trace, Tensor, Keys], Refinement]:
    return lambda trace, sources, _: along(trace, find(trace, sources).positions)


def _gpr(trace: Trace, sources: Tensor, _: Keys) -> Refinement:
    return refine_embeddings(trace, sources)


def _gpr_hops(trace: Trace, embedding: Refinement, _: Keys) -> Refinement:
    return refine_attention(trace, embedding)


def _random(trace: Trace, sources: Tensor, keys: Keys) -> Refinement:
    return along(trace, random_paths(trace, sources, keys))


def _random_hops(trace: Trace, embedding: Refinement, keys: Keys) -> Refinement:
    return along(trace, embedding.positions, random_hops(trace, embedding.positions, keys))


_EMBEDDING: tuple[Level, ...] = ("embedding",)

METHODS: dict[str, Method] = {
    "gpr": Method("guided pattern refinement (Lu et al. 2021)", LEVELS, _gpr, _gpr_hops),
    "attention": Method(
        "the path of most attention, head mean plus residual", _EMBEDDING, _scored(FINDERS["attention"])
    ),
    "attention_max": Method(
        "the path of most attention, largest head plus residual",
        _EMBEDDING,
        _scored(FINDERS["attention_max"]),
    ),
    "conductance": Method(
        "each layer's position of most conductance", _EMBEDDING, _scored(FINDERS["conductance"])
    ),
    "internal_influence": Method(
        "each layer's position of the largest gradient, summed over units",
        _EMBEDDING,
        _scored(FINDERS["internal_influence"]),
    ),
    "internal_influence_l2": Method(
        "each layer's position of the largest gradient, by its norm",
        _EMBEDDING,
        _scored(FINDERS["internal_influence_l2"]),
    ),
    "random": Method("positions, heads and skips drawn at random", LEVELS, _random, _random_hops),
}
