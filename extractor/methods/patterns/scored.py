"""Paths of the methods that score nodes: attention, conductance and internal influence (Lu et al. 2021, 4.1).

Each gives every word a path and, beside it, every inner node's score for that word: what a united set of
paths is filled or cut by where methods are compared at equal sizes.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from ipgraph.extractor.methods.patterns.guided import signs
from ipgraph.extractor.tracing.trace import LayerState, Trace, merge_heads, split_heads


class Scored(NamedTuple):
    """Each word's path, and the scores of the nodes of layers 1 to L - 1; padding scores -inf."""

    positions: Tensor  # [B, W, L + 1]
    scores: Tensor  # [B, W, L - 1, N]


Find: TypeAlias = Callable[[Trace, Tensor], Scored]
"""Finds the paths of words at positions [B, W]."""


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
    return [trace.layer(index).p[:, -1] for index in range(trace.depth)]


def conductances(trace: Trace, sources: Tensor) -> Tensor:
    """Return E[dq/dh^l_e . dh^l_e/dx_i] (x_i - x_b) of every node of layers 1 to L - 1: [B, W, L - 1, N].

    Summed over e it is the word's total influence in every layer. One word at a time: its tangent reaches
    every position.
    """
    return torch.stack([_conductances(trace, sources[:, word]) for word in range(sources.shape[1])], 1)


def _conductances(trace: Trace, source: Tensor) -> Tensor:
    """Return the conductances of one word [B] of each sentence, [B, L - 1, N]."""
    if trace.depth == 1 or not trace.moves.gather(1, source[:, None]).any():
        return trace.start.new_zeros(len(source), trace.depth - 1, trace.size[2])
    is_word = source[:, None] == torch.arange(trace.size[2], device=source.device)
    v = trace.start * is_word[:, None, :, None]
    found = []
    for index in range(trace.depth - 1):
        state = trace.layer(index)
        contexts = _moved_contexts(state, v)
        heads, skip = (contexts * state.g_context).sum((2, 4)), (v * state.g_residual).sum(-1)
        found.append(trace.mean(heads + skip))
        if index < trace.depth - 2:
            mixed = state.layer.out.jvp((), merge_heads(contexts)) + v
            v = state.layer.after.jvp(state.after, mixed.flatten(0, 2)).view(v.shape)
    return torch.stack(found, 1)


def _moved_contexts(state: LayerState, v: Tensor) -> Tensor:
    """Return how tangents [B, S, N, H] at every position move the contexts: all hops of `hops` at once."""
    moved = state.layer.before.jvp(state.before, v.flatten(0, 2)).view(*v.shape[:3], 3, -1)
    dq, dk, dv = (split_heads(moved[..., part, :], state.q.shape[2]) for part in range(3))
    scale = state.q.shape[-1] ** -0.5
    # Two products at once, side by side: q . dk + dq . k, and P' v + P dv.
    scores = torch.cat([state.q, dq], -1) @ torch.cat([dk, state.k], -1).transpose(-1, -2)
    moved_p = scores.mul_(state.p).mul_(scale)
    contexts = torch.cat([moved_p, state.p], -1) @ torch.cat([state.v, dv], -2)
    return contexts - moved_p.sum(-1, keepdim=True) * state.context


def _internal(trace: Trace, sources: Tensor, layers: list[Tensor]) -> Scored:
    scores = torch.stack(layers, 1) if layers else _no_scores(trace, sources)[:, 0]
    scores = scores[:, None].expand(-1, sources.shape[1], -1, -1)
    return _by_layer(trace, sources, scores, scores)


def _by_layer(trace: Trace, sources: Tensor, scores: Tensor, ranked: Tensor) -> Scored:
    """Return paths through each layer's best position by `ranked`, the first among equals."""
    padding = ~trace.batch.mask[:, None, None]
    inner = ranked.masked_fill(padding, -torch.inf).argmax(-1)
    target = trace.batch.target[:, None].expand_as(sources)
    positions = torch.cat([sources[..., None], inner, target[..., None]], -1)
    return Scored(positions, scores.masked_fill(padding, -torch.inf))


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
    found = torch.stack(scores, 2) if scores else _no_scores(trace, sources)
    padding = ~trace.batch.mask[:, None, None]
    return Scored(torch.stack(path, -1), found.to(trace.start).masked_fill(padding, -torch.inf))


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


FINDERS: dict[str, Find] = {
    "attention": attention,
    "attention_max": attention_max,
    "conductance": conductance,
    "internal_influence": internal_influence,
    "internal_influence_l2": internal_influence_l2,
}
