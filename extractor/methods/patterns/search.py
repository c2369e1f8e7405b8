"""Guided search for patterns by closed-form tangents, exact and batched (Lu et al. 2021; docs/algorithm.md).

1. `Trace` runs the model forward and the QoI backward over all samples, and keeps each layer's state.
2. Embedding level: every word's tangent is scored against every position of the next layer that it can reach
   and that the target can be reached from, moved to the best one in the direction of the word's sign, and
   pushed on. The last layer holds only the target.
3. The QoI's gradient is pulled back along each word's own embedding pattern.
4. Attention level: at each layer the terms of the chosen move, one per head and one for the skip where the
   word stays, are scored against that gradient; the best one's tangent alone is pushed on.

That is the greedy search, with a breadth of one. A wider one keeps more of a layer's candidates, either as so
many paths, of which the best is the result (a beam), or as so many nodes of one pattern, whose influence sums
over all paths through them (footnote 2; contributions add up, so the k best single ones are the best k).
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ipgraph.extractor.methods.patterns.paths import NO_RUNNER_UP, PathMethod, Paths, signs
from ipgraph.extractor.tracing.moves import Move, Sources, influence_of_terms, keep
from ipgraph.extractor.tracing.rows import at_positions
from ipgraph.extractor.tracing.sets import Sets, gradients_along, paths
from ipgraph.extractor.tracing.trace import Trace


def embedding_paths(trace: Trace, words: Tensor, width: int = 1) -> Paths:
    """Return the embedding-level paths of words at positions [B, W], the best of a beam of that width."""
    steps = _search(_Positions(trace, words), trace, words, Breadth(width))
    target = trace.batch.target[:, None].expand_as(words)
    best = [_forced(trace.total_influence.gather(1, words)), *(step.best() for step in steps)]
    best.append(_forced(best[-1].influence))
    positions = torch.stack([words, *(step.chosen for step in best[1:-1]), target], -1)
    return Paths(positions, None, *_stacked(best))


def attention_paths(trace: Trace, embedding: Paths, width: int = 1) -> Paths:
    """Return the attention-level paths that refine embedding-level ones, the best of a beam of that width."""
    words = embedding.positions[..., 0]
    steps = _search(_Hops(trace, paths(embedding.positions)), trace, words, Breadth(width))
    best = [_forced(embedding.influence[..., -1])]
    for step in steps:
        best += [step.best(), _forced(step.best().influence)]
    choices = torch.stack([step.chosen for step in best[1::2]], -1) - 1
    return Paths(embedding.positions, choices, *_stacked(best))


def embedding_sets(trace: Trace, words: Tensor, nodes: int) -> tuple[Sets, Tensor]:
    """Return patterns of words [B, W] with so many positions per layer, and their influence [B, W]."""
    steps = _search(_Positions(trace, words), trace, words, Breadth(nodes, is_joined=True))
    target = trace.batch.target[:, None].expand_as(words)
    positions = [words[..., None], *(step.chosen[:, :, 0] for step in steps), target[..., None]]
    present = [torch.ones_like(p, dtype=torch.bool) for p in positions]
    present[1:-1] = [step.present[:, :, 0] for step in steps]
    positions, present = ([_filled(x, nodes) for x in layers] for layers in (positions, present))
    influence = steps[-1].influence[..., 0] if steps else trace.total_influence.gather(1, words)
    return Sets(torch.stack(positions, 2), torch.stack(present, 2)), influence


def attention_sets(trace: Trace, embedding: Sets, nodes: int) -> tuple[Sets, Tensor]:
    """Return embedding-level sets with so many heads or skips per layer, and their influence [B, W]."""
    level = _Hops(trace, embedding)
    steps = _search(level, trace, embedding.positions[:, :, 0, 0], Breadth(nodes, is_joined=True))
    return replace(embedding, hops=torch.stack(level.kept, 2)), steps[-1].influence[..., 0]


def candidates_along(trace: Trace, found: Paths) -> list[tuple[Tensor, Tensor]]:
    """Return, by layer, the influence of every candidate beside paths, and which can be, [B, W, C] both.

    Of paths without hops they are the positions of layers 1 to L - 1; else each layer's skip and its heads.
    """
    level: _Level
    if found.choices is None:
        level, chosen = _Positions(trace, found.positions[..., 0]), found.positions[..., 1:-1]
    else:
        level, chosen = _Hops(trace, paths(found.positions)), found.choices + 1
    by_layer = []
    for index in range(level.steps):
        by_layer.append(level.candidates(index))
        there = chosen[..., index, None]
        level.extend(index, None, there, torch.ones_like(there, dtype=torch.bool))
    return by_layer


@dataclass(frozen=True)
class Breadth:
    """How many of a layer's candidates are kept: as paths of a beam, or joined as nodes of one pattern."""

    count: int
    is_joined: bool = False


class Step(NamedTuple):
    """What was chosen in a layer for the P patterns of each word, best first, with K nodes each."""

    chosen: Tensor  # [B, W, P, K], candidates
    present: Tensor  # [B, W, P, K], where there were so many
    influence: Tensor  # [B, W, P]
    margin: Tensor  # [B, W, P], of the last that was kept over the best that was not
    runner_up: Tensor  # [B, W, P], that one

    def best(self) -> "Step":
        """Return what was chosen for the best pattern of one node, [B, W] each."""
        chosen, present, *others = (x[:, :, 0] for x in self)
        return Step(chosen[..., 0], present[..., 0], *others)

    def of(self, parent: Tensor) -> "Step":
        """Return the same for patterns [B, W, P'] that follow from these."""
        return Step(*(_select(x, 2, parent) for x in self))


class _Level(Protocol):
    """The candidates of a level, layer by layer, for I = W P patterns of each sentence."""

    steps: int

    def candidates(self, index: int) -> tuple[Tensor, Tensor]:
        """Return the influence of each pattern with each candidate, and which can be, [B, I, C] both."""

    def extend(self, index: int, items: Tensor | None, chosen: Tensor, present: Tensor) -> None:
        """Add the candidates chosen [B, I', K] to patterns that follow `items` [B, I'] (None: the same)."""


def _search(level: _Level, trace: Trace, words: Tensor, breadth: Breadth) -> list[Step]:
    """Return what was chosen in every layer, along the patterns that were kept in the last."""
    sign = signs(trace, words)
    alive = torch.ones_like(words, dtype=torch.bool)[..., None]
    steps: list[Step] = []
    for index in range(level.steps):
        scores, valid = (x.unflatten(1, (words.shape[1], -1)) for x in level.candidates(index))
        step, parent = _best(scores, valid & alive[..., None], sign, breadth)
        items = None
        if parent is not None:
            steps = [earlier.of(parent) for earlier in steps]
            first = torch.arange(words.shape[1], device=words.device)[:, None] * scores.shape[2]
            items, alive = (parent + first).flatten(1), step.present[..., 0]
        level.extend(index, items, step.chosen.flatten(1, 2), step.present.flatten(1, 2))
        steps.append(step)
    return steps


def _best(scores: Tensor, valid: Tensor, sign: Tensor, breadth: Breadth) -> tuple[Step, Tensor | None]:
    """Return the best of candidates [B, W, P, C] in the words' direction, the first among equals.

    With them, in a beam, the patterns [B, W, P'] that they extend.
    """
    count, (p, c) = breadth.count, scores.shape[2:]
    signed = (scores * sign[..., None, None]).masked_fill(~valid, -torch.inf).flatten(2)
    order = signed.argsort(dim=-1, descending=True, stable=True)[..., : count + 1]
    ranked, kept = signed.gather(-1, order), order[..., :count]
    influence, present = scores.flatten(2).gather(-1, kept), ~ranked[..., :count].isinf()
    margin = torch.full_like(influence[..., :1], torch.nan)
    runner_up = torch.full_like(kept[..., :1], NO_RUNNER_UP)
    if order.shape[-1] > count:
        rest = ranked[..., count:]
        margin = torch.where(rest.isinf(), margin, ranked[..., count - 1 : count] - rest)
        runner_up = torch.where(rest.isinf(), runner_up, order[..., count:] % c)
    if breadth.is_joined:
        influence = (influence * present).sum(-1, keepdim=True)
        return Step(kept[:, :, None], present[:, :, None], influence, margin, runner_up), None
    beam = (kept % c)[..., None], present[..., None]
    step = Step(*beam, influence, margin.expand_as(influence), runner_up.expand_as(kept))
    return step, None if p == count == 1 else kept // c


class _Positions:
    """Embedding level: the candidates are the positions of the layer above."""

    def __init__(self, trace: Trace, words: Tensor):
        self.trace, self.steps = trace, trace.depth - 1
        self.source, self.present = words[..., None], torch.ones_like(words, dtype=torch.bool)[..., None]
        self.v = at_positions(trace.start, words)[:, :, :, None]

    def candidates(self, index: int) -> tuple[Tensor, Tensor]:
        self.sources = Sources(self.trace, index, self.source)
        self.moved = self.sources.tangents(self.v)
        return self.sources.influences(self.v, self.moved), self.sources.candidates(self.present)

    def extend(self, index: int, items: Tensor | None, chosen: Tensor, present: Tensor) -> None:
        if index < self.steps - 1:
            if items is not None:
                self.v = _select(self.v, 2, items[:, None])
                self.sources = Sources(self.trace, index, _select(self.source, 1, items))
                self.moved = self.sources.tangents(self.v)
            move = Move(self.sources, chosen)
            v = move.push(*move.terms(self.v, self.moved))
            self.v = v if chosen.shape[-1] == 1 else v * present[:, None, ..., None]
        self.source, self.present = chosen, present


class _Hops:
    """Attention level: the candidates are the skip (first) and the heads into each place above."""

    def __init__(self, trace: Trace, embedding: Sets):
        self.trace, self.steps = trace, trace.depth
        self.embedding, self.along = embedding, gradients_along(trace, embedding)
        self.v = at_positions(trace.start, embedding.positions[:, :, 0, 0])[:, :, :, None]
        self.kept: list[Tensor] = []  # which hops, [B, I, M, 1 + A] of each layer

    def candidates(self, index: int) -> tuple[Tensor, Tensor]:
        sources, below = self._places(index)
        above, present = self._places(index + 1)
        self.move = self._move(index, sources, above)
        self.terms = self.move.terms(self.v, self.move.sources.tangents(self.v))
        heads, residual = self.along[index]
        gradients = self._repeated(heads, 3), self._repeated(residual, 2)
        scores = influence_of_terms(self.trace, self.terms, gradients)
        stays = (above[..., None] == sources[:, :, None]) & below[:, :, None]
        is_skip = torch.arange(scores.shape[-1], device=scores.device) == 0
        valid = (stays.any(-1, keepdim=True) | ~is_skip) & present[..., None]
        return scores.flatten(2), valid.flatten(2)

    def extend(self, index: int, items: Tensor | None, chosen: Tensor, present: Tensor) -> None:
        contexts, residual = self.terms
        places, hops = contexts.shape[4], contexts.shape[2] + 1
        kept = present.new_zeros(*chosen.shape[:2], places * hops).scatter(-1, chosen, present)
        self.kept.append(kept.unflatten(2, (places, hops)))
        if index == self.steps - 1:
            return
        move = self.move
        if items is not None:
            contexts = _select(contexts, 3, items[:, None, None])
            residual = _select(residual, 2, items[:, None])
            source, above = (_select(x, 1, items) for x in (move.sources.source, move.destination))
            move = self._move(index, source, above)
        v = move.push(*keep((contexts, residual), self.kept[-1]))
        self.v = v if places == 1 else v * self._places(index + 1)[1][:, None, ..., None]

    def _move(self, index: int, source: Tensor, destination: Tensor) -> Move:
        return Move(Sources(self.trace, index, source), destination)

    def _places(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return the patterns' places in a layer and which are present, [B, I, K]; K is 1 at the words."""
        some = slice(1) if layer == 0 else slice(None)
        positions, present = self.embedding.positions, self.embedding.present
        return self._repeated(positions[:, :, layer, some], 1), self._repeated(present[:, :, layer, some], 1)

    def _repeated(self, x: Tensor, axis: int) -> Tensor:
        """Return what words have for each of their patterns."""
        each = self.v.shape[2] // self.embedding.positions.shape[1]
        return x if each == 1 else x.repeat_interleave(each, axis)


def _select(x: Tensor, axis: int, index: Tensor) -> Tensor:
    """Return x at an index of its dimensions up to the axis, its others kept."""
    shape = (*x.shape[:axis], index.shape[-1], *x.shape[axis + 1 :])
    return x.gather(axis, index.view(*index.shape, *[1] * (x.dim() - axis - 1)).expand(shape))


def _forced(influence: Tensor) -> Step:
    """Return a step that leaves no choice, with the influence [B, W] of the one before."""
    none = torch.full(influence.shape, NO_RUNNER_UP, device=influence.device)
    return Step(none, none >= 0, influence, torch.full_like(influence, torch.nan), none)


def _stacked(steps: list[Step]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the steps' influences, margins and runners-up, [B, W, steps] each."""
    influence, margin, runner_up = (torch.stack(x, -1) for x in list(zip(*steps, strict=True))[2:])
    return influence, margin, runner_up


def _filled(x: Tensor, places: int) -> Tensor:
    """Return x [B, W, K] with as many places as asked for, those that are new empty."""
    return functional.pad(x, (0, places - x.shape[-1]))


GUIDED = PathMethod(
    embedding=lambda trace, words, _: embedding_paths(trace, words),
    attention=lambda trace, embedding, _: attention_paths(trace, embedding),
)
