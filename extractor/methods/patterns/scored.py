"""Paths of the methods that score each node by itself: conductance, internal influence (Lu et al. 2021, 4.1).

Each gives every word a path and, beside it, every inner node's score for that word: what the union of paths
is filled or cut by where methods are compared at equal sizes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ipgraph.extractor.methods.patterns.paths import PathMethod, Scored, along, no_scores, signs
from ipgraph.extractor.tracing.attention import merge_heads
from ipgraph.extractor.tracing.trace import Trace


def conductance(trace: Trace, sources: Tensor) -> Scored:
    """Return, for each layer by itself, the position that conducts most of the word's influence."""
    scores = conductances(trace, sources)
    signed = scores * signs(trace, sources)[..., None, None]
    return _by_layer(trace, sources, scores, signed)


def internal_influence(trace: Trace, sources: Tensor) -> Scored:
    """Return, for every word alike, each layer's position of the largest E[dq/dh], summed over units."""
    return _internal(trace, sources, [trace.mean(g).sum(-1) for g in trace.gradients[1:-1]])


def internal_influence_l2(trace: Trace, sources: Tensor) -> Scored:
    """Return the same by the Euclidean norm of E[dq/dh]."""
    return _internal(trace, sources, [trace.mean(g).norm(dim=-1) for g in trace.gradients[1:-1]])


def conductances(trace: Trace, sources: Tensor) -> Tensor:
    """Return E[dq/dh^l_e . dh^l_e/dx_i] (x_i - x_b) of every node of layers 1 to L - 1: [B, W, L - 1, N].

    Summed over e it is the word's total influence in every layer. One word at a time: its tangent reaches
    every position.
    """
    return torch.stack([_conductances(trace, sources[:, word]) for word in range(sources.shape[1])], 1)


def _conductances(trace: Trace, source: Tensor) -> Tensor:
    """Return the conductances of one word [B] of each sentence, [B, L - 1, N]."""
    if trace.depth == 1 or not trace.has_pattern.gather(1, source[:, None]).any():
        return trace.start.new_zeros(len(source), trace.depth - 1, trace.size[2])
    is_word = source[:, None] == torch.arange(trace.size[2], device=source.device)
    v = trace.start * is_word[:, None, :, None]
    conductances = []
    for index in range(trace.depth - 1):
        state = trace.layer(index)
        contexts = state.attention.push(state.layer.before.jvp(state.before, v))
        heads, skip = (contexts * state.g_context).sum((2, 4)), (v * state.g_residual).sum(-1)
        conductances.append(trace.mean(heads + skip))
        if index < trace.depth - 2:
            v = state.layer.above_jvp(state.above, merge_heads(contexts), v)
    return torch.stack(conductances, 1)


def _internal(trace: Trace, sources: Tensor, layers: list[Tensor]) -> Scored:
    scores = torch.stack(layers, 1) if layers else no_scores(trace, sources)[:, 0]
    scores = scores[:, None].expand(-1, sources.shape[1], -1, -1)
    return _by_layer(trace, sources, scores, scores)


def _by_layer(trace: Trace, sources: Tensor, scores: Tensor, ranked: Tensor) -> Scored:
    """Return paths through each layer's best position by `ranked` of those that can come next."""
    path = [sources]
    for index in range(trace.depth - 1):
        following = trace.following(index, path[-1])
        path.append(ranked[:, :, index].masked_fill(~following, -torch.inf).argmax(-1))
    path.append(trace.batch.target[:, None].expand_as(sources))
    lost = ~torch.stack(trace.reach, 1)[:, None, 1:-1]
    return Scored(torch.stack(path, -1), scores.masked_fill(lost, -torch.inf))


def _method(scored: Callable[[Trace, Tensor], Scored]) -> PathMethod:
    return PathMethod(lambda trace, words, _: along(trace, scored(trace, words).positions), scored=scored)


CONDUCTANCE = _method(conductance)
INTERNAL_INFLUENCE = _method(internal_influence)
INTERNAL_INFLUENCE_L2 = _method(internal_influence_l2)
