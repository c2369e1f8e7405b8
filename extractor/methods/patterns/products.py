"""Paths of the largest product of layer matrices' entries: attention (Lu et al. 2021, 4.1) and ALTI.

A layer's matrix says how much of each position below (source j) each position above (destination e) holds.
The best path of every word to the target is exact, by dynamic programming over the layers.
"""

from collections.abc import Callable
from typing import TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ipgraph.extractor.methods.decomposition.matrices import layer_matrices
from ipgraph.extractor.methods.patterns.paths import PathMethod, Paths, Scored, along, no_scores
from ipgraph.extractor.tracing.trace import Trace

T = TypeVar("T")
Matrices: TypeAlias = list[Tensor]
"""By layer, entries [B, E, N] of destination and source; the last layer has the target's row alone."""

_LOG_ZERO = -1e6
"""Stands for the logarithm of an entry that is zero, so that of paths with such entries the fewest win."""


def once_per_trace(make: Callable[[Trace], T]) -> Callable[[Trace], T]:
    """Return the function with its result kept as long as the trace: words come a few at a time."""
    made: WeakKeyDictionary[Trace, T] = WeakKeyDictionary()

    def of(trace: Trace) -> T:
        if trace not in made:
            made[trace] = make(trace)
        return made[trace]

    return of


@once_per_trace
def mean_attention(trace: Trace) -> Matrices:
    """Return head-mean attention at the input plus identity, rows divided by their sums."""
    layers = enumerate(trace.attention_at_input())
    return [_with_residual(trace, index, attention.p[:, 0].mean(1)) for index, attention in layers]


@once_per_trace
def max_attention(trace: Trace) -> Matrices:
    """Return the same with the largest head's attention in the mean's place."""
    layers = enumerate(trace.attention_at_input())
    return [_with_residual(trace, index, attention.p[:, 0].amax(1)) for index, attention in layers]


@once_per_trace
def alti(trace: Trace) -> Matrices:
    """Return ALTI's matrices at the input (Ferrando et al. 2022); raises UsageError where not defined."""
    *below, last = layer_matrices(trace.adapter, trace.batch, "alti").unbind(1)
    return [*below, _target_row(trace, last)]


def best_paths(trace: Trace, sources: Tensor, matrices: Matrices) -> Scored:
    """Return the paths of the largest product from words at positions [B, W] to the target.

    Of equal products the lowest positions win. A node's score is the largest product of a path from the word
    to the target through it.
    """
    hops = [_logarithms(trace, index, matrix) for index, matrix in enumerate(matrices)]
    onward = [hops[-1][:, 0]]  # of layers 1 to L - 1: the best way from each position to the target
    for hop in reversed(hops[1:-1]):
        onward.insert(0, (hop + onward[0][:, :, None]).amax(1))
    path, scores = [sources], []
    reached = sources[..., None] == torch.arange(trace.size[2], device=sources.device)
    best = torch.zeros_like(reached, dtype=torch.double).masked_fill(~reached, -torch.inf)
    for hop, rest in zip(hops[:-1], onward, strict=False):  # one layer alone leaves no choice
        best = (best[:, :, None] + hop[:, None]).amax(-1)
        scores.append((best + rest[:, None]).exp())
        here = hop.transpose(1, 2).gather(1, path[-1][..., None].expand(-1, -1, hop.shape[1]))
        path.append((here + rest[:, None]).argmax(-1))
    path.append(trace.batch.target[:, None].expand_as(sources))
    of_nodes = torch.stack(scores, 2) if scores else no_scores(trace, sources)
    padding = ~trace.batch.mask[:, None, None]
    return Scored(torch.stack(path, -1), of_nodes.to(trace.start).masked_fill(padding, -torch.inf))


def products(trace: Trace, positions: Tensor, matrices: Matrices) -> Tensor:
    """Return the product of the entries along paths [B, W, L + 1], in float64: [B, W]."""
    row = torch.arange(len(positions), device=positions.device)[:, None]
    moves = enumerate(zip(positions[..., :-1].unbind(-1), positions[..., 1:].unbind(-1), strict=True))
    entries = [matrices[index][row, trace.destination(index, e), j] for index, (j, e) in moves]
    return torch.stack(entries).double().prod(0)


def _logarithms(trace: Trace, index: int, matrix: Tensor) -> Tensor:
    """Return a layer's entries as logarithms, -inf for moves that cannot lead to the target."""
    everywhere = torch.arange(trace.size[2], device=matrix.device).expand(len(matrix), -1)
    possible = trace.following(index, everywhere).mT
    if index == trace.depth - 1:
        possible = _target_row(trace, possible)
    return matrix.double().log().clamp_min(_LOG_ZERO).masked_fill(~possible, -torch.inf)


def _with_residual(trace: Trace, index: int, p: Tensor) -> Tensor:
    """Return attention [B, E, N] plus identity, rows divided by their sums."""
    itself = torch.eye(trace.size[2], dtype=p.dtype, device=p.device).expand(len(p), -1, -1)
    p = p + (_target_row(trace, itself) if index == trace.depth - 1 else itself)
    return p / p.sum(-1, keepdim=True)


def _target_row(trace: Trace, matrix: Tensor) -> Tensor:
    """Return the target's row of a matrix [B, N, N], as [B, 1, N]."""
    rows = torch.arange(len(matrix), device=matrix.device)
    return matrix[rows, trace.batch.target][:, None]


def _method(matrices: Callable[[Trace], Matrices]) -> PathMethod:
    def scored(trace: Trace, words: Tensor) -> Scored:
        return best_paths(trace, words, matrices(trace))

    def paths(trace: Trace, words: Tensor, _: object) -> Paths:
        positions = scored(trace, words).positions
        return along(trace, positions, product=products(trace, positions, matrices(trace)))

    return PathMethod(paths, scored=scored)


ATTENTION = _method(mean_attention)
ATTENTION_MAX = _method(max_attention)
ALTI = _method(alti)
