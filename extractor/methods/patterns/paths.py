"""What a method that chooses paths gives, and how it is asked for them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from ipgraph.extractor.tracing.sets import paths, steps
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.schema.records import Level

Keys: TypeAlias = Sequence[str]
"""The instances' ids: what chance is seeded by, so that no batch changes what a sentence gets."""


@dataclass(frozen=True)
class Paths:
    """Every word's path at one level.

    Influence, margin and runner-up have one entry per step of the path as the graph stores it. The runner-up
    is the candidate that came second (a position; at the attention level a head from 1, or 0 for the skip);
    where there was one candidate it is NO_RUNNER_UP, and the margin NaN.
    """

    positions: Tensor  # [B, W, L + 1], from the word itself to the target
    choices: Tensor | None  # [B, W, L], head from 0 or SKIP (attention level)
    influence: Tensor  # [B, W, L + 1] or [B, W, 2 L + 1]
    margin: Tensor
    runner_up: Tensor
    product: Tensor | None = None  # [B, W], of the entries of layer matrices along the path


NO_RUNNER_UP = -1


class Scored(NamedTuple):
    """Each word's path, and the scores of the nodes of layers 1 to L - 1; padding scores -inf."""

    positions: Tensor  # [B, W, L + 1]
    scores: Tensor  # [B, W, L - 1, N]


def no_scores(trace: Trace, sources: Tensor) -> Tensor:
    """Return the scores of a model of one layer, which has no inner nodes: [B, W, 0, N]."""
    return trace.start.new_zeros(*sources.shape, 0, trace.size[2])


@dataclass(frozen=True)
class PathMethod:
    """How a method finds the paths of words at positions [B, W], and their hops if it chooses them.

    `scored`, where a method scores nodes, gives its paths with the scores of all of them.
    """

    embedding: Callable[[Trace, Tensor, Keys], Paths]
    attention: Callable[[Trace, Paths, Keys], Paths] | None = None
    scored: Callable[[Trace, Tensor], Scored] | None = None

    def refine(self, trace: Trace, sources: Tensor, keys: Keys, levels: Iterable[Level]) -> Iterator[Paths]:
        """Yield the paths of words at positions [B, W] at the levels asked for, embedding first."""
        embedding = self.embedding(trace, sources, keys)
        if "embedding" in levels:
            yield embedding
        if "attention" in levels and self.attention is not None:
            yield self.attention(trace, embedding, keys)


def signs(trace: Trace, words: Tensor) -> Tensor:
    """Return 1 where a word's total influence is >= 0, else -1, as the influences' type."""
    g = trace.total_influence.gather(1, words)
    return torch.where(g >= 0, 1.0, -1.0).to(g.dtype)


def along(
    trace: Trace, positions: Tensor, choices: Tensor | None = None, product: Tensor | None = None
) -> Paths:
    """Return given paths [B, W, L + 1] and hops [B, W, L] with their influences; no margin led to them."""
    influence = steps(trace, paths(positions, choices, trace.heads))
    none = torch.full(influence.shape, NO_RUNNER_UP, device=positions.device)
    return Paths(positions, choices, influence, torch.full_like(influence, torch.nan), none, product)
