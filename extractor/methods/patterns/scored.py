"""Paths of the methods that score nodes: attention, conductance and internal influence (Lu et al. 2021, 4.1).

Each gives every word a path and, beside it, every inner node's score for that word: what the union of paths
is filled or cut by where methods are compared at equal sizes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ipgraph.extractor.methods.patterns.paths import PathMethod, Scored, along, signs
from ipgraph.extractor.tracing.attention import merge_heads
from ipgraph.extractor.tracing.trace import Trace


def attention(trace: Trace, sources: Tensor) -> Scored:
    """Return the paths of the largest product of head-mean attention and residual, rows renormalised.

    A node's score is the largest product of a path from the word to the target through it.
    """
    return _best_paths(trace, sources, [p.mean(1) for p in attention_at_input(trace)])


def attention_max(trace: Trace, sources: Tensor) -> Scored:
    """Return the same with the largest head's attention in the mean's place."""
    return _best_paths(trace, sources, [p.amax(1) for p in attention_at_input(trace)])


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


def attention_at_input(trace: Trace) -> list[Tensor]:
    """Return each layer's attention probabilities at the input itself, [B, A, E, N]."""
    return [attention.p[:, 0] for attention in trace.attention_at_input()]


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
    scores = torch.stack(layers, 1) if layers else _no_scores(trace, sources)[:, 0]
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


def _best_paths(trace: Trace, sources: Tensor, attention: list[Tensor]) -> Scored:
    """Return the best products of paths through attention plus identity, by dynamic programming."""
    hops = [_with_residual(trace, index, p).double().log() for index, p in enumerate(attention)]
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
    of_nodes = torch.stack(scores, 2) if scores else _no_scores(trace, sources)
    padding = ~trace.batch.mask[:, None, None]
    return Scored(torch.stack(path, -1), of_nodes.to(trace.start).masked_fill(padding, -torch.inf))


def _with_residual(trace: Trace, index: int, p: Tensor) -> Tensor:
    """Return attention [B, E, N] plus identity, rows divided by their sums, those of padding zero."""
    positions = torch.arange(trace.size[2], device=p.device).expand(p.shape[0], -1)
    last = index == trace.depth - 1
    rows = trace.batch.target[:, None] if last else positions
    p = p + (rows[..., None] == positions[:, None])
    p = p / p.sum(-1, keepdim=True)
    return p if last else p * trace.batch.mask[..., None]


def _no_scores(trace: Trace, sources: Tensor) -> Tensor:
    return trace.start.new_zeros(*sources.shape, 0, trace.size[2])


def _method(scored: Callable[[Trace, Tensor], Scored]) -> PathMethod:
    return PathMethod(lambda trace, words, _: along(trace, scored(trace, words).positions), scored=scored)


ATTENTION = _method(attention)
ATTENTION_MAX = _method(attention_max)
CONDUCTANCE = _method(conductance)
INTERNAL_INFLUENCE = _method(internal_influence)
INTERNAL_INFLUENCE_L2 = _method(internal_influence_l2)
