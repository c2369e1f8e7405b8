"""How good greedy patterns are: beam search, exhaustive where the beam is wide enough, and random patterns.

At the attention level, as in guided refinement, the hops along one given embedding pattern are searched.
"""

import torch
from torch import Tensor

from ipgraph.extractor.methods.patterns.chance import random_hops, random_paths
from ipgraph.extractor.methods.patterns.paths import Keys, along
from ipgraph.extractor.methods.patterns.search import attention_paths, embedding_paths
from ipgraph.extractor.tracing.sets import influence, paths
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.records import Level

MOST_PATHS = 20_000
"""Most paths per word that an exhaustive search looks at."""


def exhaustive_width(level: Level, layers: int, heads: int, positions: int) -> int:
    """Return the beam's width that looks at every path of a word; raises UsageError if they are too many."""
    width = positions ** (layers - 1) if level == "embedding" else int((heads + 1) ** layers)
    if width > MOST_PATHS:
        raise UsageError(
            f"an exhaustive search would look at {width:,} {level}-level paths per word, more than "
            f"{MOST_PATHS:,}; use a beam search, a smaller model or shorter sentences"
        )
    return width


def wider_influences(trace: Trace, positions: Tensor, level: Level, width: int) -> Tensor:
    """Return the best influence [B, W] that a beam search of that width finds for words of given patterns.

    Embedding level: over all paths of the words. Attention level: over the hops along the embedding patterns
    [B, W, L + 1].
    """
    if level == "embedding":
        return embedding_paths(trace, positions[..., 0], width).influence[..., -1]
    return attention_paths(trace, along(trace, positions), width).influence[..., -1]


def random_influences(
    trace: Trace, positions: Tensor, keys: Keys, level: Level, draws: int, seed: int
) -> Tensor:
    """Return the influence of random patterns of the words of given embedding patterns, [B, W, draws].

    Embedding level: positions drawn in every layer. Attention level: hops drawn along the given patterns
    (our choice: the published comparison does not say).
    """
    influences = []
    for draw in range(1, draws + 1):  # draw 0 is the method `random`
        if level == "embedding":
            sets = paths(random_paths(trace, positions[..., 0], keys, seed=seed, draw=draw))
        else:
            hops = random_hops(trace, positions, keys, seed=seed, draw=draw)
            sets = paths(positions, hops, trace.heads)
        influences.append(influence(trace, sets))
    return torch.stack(influences, -1)
