"""Ablated accuracy of every method, at the number of nodes that guided patterns keep in each layer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ipgraph.extractor.evaluation.ablation.forward import Kept, ablated
from ipgraph.extractor.evaluation.ablation.kept import (
    Nodes,
    every_node,
    random_sets,
    same_size,
    skips_replaced,
    target_column,
    union_of,
)
from ipgraph.extractor.evaluation.estimates import Collected
from ipgraph.extractor.evaluation.instances import TracedBatch
from ipgraph.extractor.methods.patterns.chance import generators
from ipgraph.extractor.methods.patterns.paths import Scored
from ipgraph.extractor.models.heads import is_largest, qoi
from ipgraph.extractor.tracing.sets import paths
from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.schema.measures import ABLATED_ACCURACY, MeasureKey
from ipgraph.graphstore.schema.records import Level

Ablations = Iterator[tuple[MeasureKey, Nodes]]


Reading = Literal["dropped", "kept"]
READINGS: tuple[Reading, ...] = ("dropped", "kept")
"""Whether the target's column is left out of what is kept, or added to it."""


def pi_plus(batch: TracedBatch, level: Level, reading: Reading = "kept") -> Nodes:
    """Return the union of the nodes of the guided patterns of words with total influence >= 0.

    Of a decoder the target is an ordinary word, whose pattern belongs to its column.
    """
    choices = None if level == "embedding" else batch.choices
    guided = paths(batch.positions, choices, batch.trace.heads)
    return union_of(guided, words_of(batch, reading), batch.trace.size[2])


def words_of(batch: TracedBatch, reading: Reading) -> Tensor:
    """Return the words whose patterns a reading unites, [B, N]."""
    if reading == "kept" or batch.trace.adapter.reads == "first":
        return batch.positive
    return batch.positive & (batch.words != batch.trace.batch.target[:, None])


def readings(batch: TracedBatch, level: Level) -> Iterator[tuple[Reading, Nodes, Nodes | None]]:
    """Yield both readings: what Pi_+ keeps by it, and the target's column where it is among that."""
    yield "dropped", pi_plus(batch, level, "dropped"), None
    guided = pi_plus(batch, level)
    column = target_column(guided, batch.trace.batch.target)
    yield "kept", guided | column, column


def guided_ablations(batch: TracedBatch, level: Level, *, skip_replaced: bool) -> Ablations:
    """Yield what guided patterns keep, the target's column alone, and every skip replaced by its heads."""
    for reading, nodes, _ in readings(batch, level):
        yield MeasureKey(ABLATED_ACCURACY, "gpr", level, target=reading), nodes
        if level == "attention" and skip_replaced:
            yield MeasureKey(ABLATED_ACCURACY, "skip_replaced", level, target=reading), skips_replaced(nodes)
    yield (
        MeasureKey(ABLATED_ACCURACY, "target_column", level),
        target_column(pi_plus(batch, level), batch.trace.batch.target),
    )


def scored_ablations(batch: TracedBatch, scored: Mapping[str, Scored]) -> Ablations:
    """Yield what each method that scores nodes keeps: as many as Pi_+, and its own paths alone."""
    for name, (positions, scores) in scored.items():
        for reading, wanted, column in readings(batch, "embedding"):
            words = words_of(batch, reading)
            natural = union_of(paths(positions), words, batch.trace.size[2])
            joint = scores.masked_fill(~words[..., None, None], 0).sum(1)
            joint = joint.masked_fill(~batch.inner, -torch.inf)
            key = MeasureKey(ABLATED_ACCURACY, name, "embedding", target=reading)
            yield key, same_size(natural, joint, wanted, column)
            whole = natural if column is None else natural | column
            yield key._replace(size="natural"), whole


def whole_ablations(batch: TracedBatch) -> Ablations:
    """Yield all nodes and none."""
    like = pi_plus(batch, "embedding")
    every = every_node(like, batch.trace.batch.mask)
    yield MeasureKey(ABLATED_ACCURACY, "original", ""), every
    yield MeasureKey(ABLATED_ACCURACY, "nothing", ""), Nodes(torch.zeros_like(every.embeddings))


@dataclass(frozen=True)
class Ablator:
    """Runs ablations of a batch and collects their accuracies."""

    collected: Collected
    batch: TracedBatch

    def add(self, ablations: Ablations) -> None:
        """Add the accuracy and the number of inner nodes of each ablation; all are of one level."""
        keys, nodes = zip(*ablations, strict=True)
        hops = None if nodes[0].hops is None else torch.stack([n.hops for n in nodes], 1)
        at_target = self._ablated(Kept(torch.stack([n.embeddings for n in nodes], 1), hops))
        right, values = self._right(at_target), self._qoi(at_target)
        for at, (key, kept) in enumerate(zip(keys, nodes, strict=True)):
            if key.method == "original":
                self._require_the_model(values[:, at])
            self.collected.add(key, self.batch.index, right[:, at])
            inner = kept.embeddings[:, 1:-1].sum((1, 2))
            inner = inner if kept.hops is None else inner + kept.hops.sum((1, 2, 3))
            self.collected.add(key._replace(metric="nodes_kept"), self.batch.index, inner.tolist())

    def add_random(self, level: Level, draws: int, seed: int) -> None:
        """Add the mean accuracy over random draws, and the spread of a draw's accuracy."""
        trace = self.batch.trace
        # Positions first: the draws at a sentence's own do not depend on its padding.
        shape = (trace.size[2], draws, trace.depth, trace.heads + 2)
        chance = np.stack(
            [rng.random(shape, np.float32) for rng in generators(self.batch.keys, seed, "ablation")]
        ).transpose(0, 2, 3, 1, 4)
        uniform = torch.from_numpy(chance).to(trace.start.device)
        for reading, wanted, column in readings(self.batch, level):
            kept = random_sets(wanted, self.batch.inner, column, uniform)
            right = self._right(self._ablated(kept))
            key = MeasureKey(ABLATED_ACCURACY, "random", level, target=reading)
            self.collected.add(key, self.batch.index, right.mean(1), draws=draws)
            if draws > 1:
                self.collected.add_draws(
                    key._replace(metric=f"{ABLATED_ACCURACY}_sd"), self.batch.index, right
                )

    def _ablated(self, kept: Kept) -> Tensor:
        if self.batch.holds_first:
            kept = kept.with_first()
        return ablated(self.batch.trace.adapter, self.batch.trace.batch, kept)

    def _qoi(self, at_target: Tensor) -> Tensor:
        return qoi(self.batch.trace.adapter.logits, at_target, self.batch.trace.qoi_logits)

    def _right(self, at_target: Tensor) -> np.ndarray:
        """Return where the label has the largest logit, or without classes, the QoI its wanted sign."""
        labels, wanted = (
            torch.tensor([getattr(p, name) for p in self.batch.patterns], device=at_target.device)
            for name in ("label", "wanted")
        )
        if (labels < 0).any():
            right = self._qoi(at_target) * wanted[:, None] > 0
        else:
            right = is_largest(self.batch.trace.adapter.logits(at_target, None), labels)
        return right.double().cpu().numpy()

    def _require_the_model(self, values: Tensor) -> None:
        """Raise IpgraphError where the model with every node kept does not give the run's QoI."""
        for patterns, value in zip(self.batch.patterns, values.tolist(), strict=True):
            if abs(value - patterns.qoi) > 1e-3 * max(1.0, abs(patterns.qoi)):
                raise IpgraphError(
                    f"the model gives instance {patterns.encoded.instance.id} a QoI of {value:.4f}, and its "
                    f"run stored {patterns.qoi:.4f}: they are not of the same model, type or tokenizer"
                )
