"""Paths drawn at random, the same for an instance whatever is beside it."""

from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from ipgraph.extractor.methods.patterns.paths import Keys, PathMethod, along
from ipgraph.extractor.tracing.trace import Trace


def generators(keys: Keys, seed: int, purpose: str, draw: int = 0) -> list[np.random.Generator]:
    """Return a generator for each instance, the same whatever is beside it, and others for each draw."""
    digests = (sha256(f"{purpose} {key}".encode()).digest()[:8] for key in keys)
    return [np.random.default_rng([seed, int.from_bytes(digest), draw]) for digest in digests]


def random_paths(trace: Trace, sources: Tensor, keys: Keys, *, seed: int = 0, draw: int = 0) -> Tensor:
    """Return paths [B, W, L + 1] through positions drawn uniformly, in each layer from those that can be."""
    lengths = trace.batch.mask.sum(1).tolist()
    shape = (trace.size[2], trace.depth - 1)
    of_instances = generators(keys, seed, "paths", draw)
    is_free = all(near is None for near in trace.windows)
    numbers = [
        rng.integers(n, size=shape) if is_free else rng.random(shape)
        for rng, n in zip(of_instances, lengths, strict=True)
    ]
    drawn = torch.from_numpy(np.stack(numbers)).to(sources.device)
    drawn = drawn.gather(1, sources[..., None].expand(-1, -1, shape[1]))
    path = [sources]
    for index in range(shape[1]):
        number = drawn[..., index]
        path.append(number if is_free else _one_of(trace.following(index, path[-1]), number))
    path.append(trace.batch.target[:, None].expand_as(sources))
    return torch.stack(path, -1)


def _one_of(candidates: Tensor, chance: Tensor) -> Tensor:
    """Return one of the candidates [B, W, N] by chance [B, W] from 0 to 1, all alike likely."""
    place = (chance * candidates.sum(-1)).long()[..., None]
    return (candidates.cumsum(-1) > place).long().argmax(-1)


def random_hops(trace: Trace, positions: Tensor, keys: Keys, *, seed: int = 0, draw: int = 0) -> Tensor:
    """Return hops [B, W, L] of paths, drawn uniformly from the heads and, where a path stays, the skip."""
    shape = (trace.size[2], trace.depth)
    uniform = np.stack([rng.random(size=shape) for rng in generators(keys, seed, "hops", draw)])
    chance = torch.from_numpy(uniform).to(positions.device)
    chance = chance.gather(1, positions[..., :1].expand(-1, -1, shape[1]))
    stays = (positions[..., 1:] == positions[..., :-1]).long()
    return (chance * (trace.heads + stays)).long() - stays


RANDOM = PathMethod(
    embedding=lambda trace, words, keys: along(trace, random_paths(trace, words, keys)),
    attention=lambda trace, embedding, keys: along(
        trace, embedding.positions, random_hops(trace, embedding.positions, keys)
    ),
)
