"""Figures beyond greedy patterns of one node per layer: several nodes, wider searches, random patterns."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_

import numpy as np
import torch
from torch import Tensor

from ipgraph.extractor.evaluation.ablation.accuracy import READINGS, Ablations, Ablator, Reading, words_of
from ipgraph.extractor.evaluation.ablation.kept import Nodes, target_column, union_of
from ipgraph.extractor.evaluation.estimates import Collected, Floats
from ipgraph.extractor.evaluation.instances import TracedBatch
from ipgraph.extractor.evaluation.metrics import add_concentration
from ipgraph.extractor.evaluation.searches.wider import exhaustive_width, random_influences, wider_influences
from ipgraph.extractor.methods.patterns.search import attention_sets, embedding_sets
from ipgraph.extractor.tracing.sets import Sets
from ipgraph.graphstore.schema.measures import ABLATED_ACCURACY, MeasureKey
from ipgraph.graphstore.schema.records import Level

TOLERANCE = 1e-4
"""By what share of its influence a path must be better than the greedy one to count: float32 is no finer."""


@dataclass(frozen=True, kw_only=True)
class Searches:
    """What is asked beyond the methods' comparison, none of it cheap; searches look at `instances` alone."""

    nodes_per_layer: int = 1
    beam: int = 0
    exhaustive: bool = False
    random_patterns: int = 0
    instances: int = 20

    @property
    def any_search(self) -> bool:
        """Whether the greedy search is to be compared with others."""
        return bool(self.beam or self.exhaustive or self.random_patterns)


def add_several(collected: Collected, batch: TracedBatch, nodes_per_layer: Iterable[int]) -> None:
    """Add concentration and ablated accuracy with these numbers of nodes per layer."""
    for k in nodes_per_layer:
        chunks = [_several(batch, some, k) for some in batch.chunks(k)]
        for level in chunks[0]:
            influence = torch.cat([chunk[level][1] for chunk in chunks], 1).tolist()
            add_concentration(collected, batch, "gpr", level, influence, k=k)
            unions = {
                reading: reduce(or_, (chunk[level][0][reading] for chunk in chunks)) for reading in READINGS
            }
            Ablator(collected, batch).add(_ablations(batch, level, unions, k))


def _several(batch: TracedBatch, some: slice, k: int) -> dict[Level, tuple[dict[Reading, Nodes], Tensor]]:
    """Return the nodes of Pi_+ by reading and every word's influence with k nodes per layer, by level."""
    embedding = embedding_sets(batch.trace, batch.words[:, some], k)
    patterns: dict[Level, tuple[Sets, Tensor]] = {"embedding": embedding}
    if batch.choices is not None:
        patterns["attention"] = attention_sets(batch.trace, embedding[0], k)
    length = batch.trace.size[2]
    return {
        level: (
            {reading: union_of(sets, words_of(batch, reading)[:, some], length) for reading in READINGS},
            influence,
        )
        for level, (sets, influence) in patterns.items()
    }


def _ablations(batch: TracedBatch, level: Level, unions: dict[Reading, Nodes], k: int) -> Ablations:
    for reading, nodes in unions.items():
        kept = nodes | target_column(nodes, batch.trace.batch.target) if reading == "kept" else nodes
        yield MeasureKey(ABLATED_ACCURACY, "gpr", level, target=reading, k=k), kept


def add_searches(collected: Collected, batch: TracedBatch, searches: Searches, seed: int) -> None:
    """Add how often and by how much greedy patterns miss the best, and how they stand among random ones."""
    shape = (batch.trace.depth, batch.trace.heads, batch.trace.size[2])
    for level in batch.patterns[0].influence:
        key = MeasureKey("", "gpr", level)
        widths = {key._replace(search="beam", beam=searches.beam): searches.beam} if searches.beam else {}
        if searches.exhaustive:
            widths[key._replace(search="exhaustive")] = exhaustive_width(level, *shape)
        for search, width in widths.items():
            parts = [
                wider_influences(batch.trace, batch.positions[:, some], level, width)
                for some in batch.chunks(width)
            ]
            _add_missed(collected, batch, level, search, torch.cat(parts, 1).double().cpu().numpy())
        if searches.random_patterns:
            parts = [
                random_influences(
                    batch.trace, batch.positions[:, some], batch.keys, level, searches.random_patterns, seed
                )
                for some in batch.chunks()
            ]
            _add_random(collected, batch, level, torch.cat(parts, 1).double().cpu().numpy())


def _add_missed(
    collected: Collected, batch: TracedBatch, level: Level, key: MeasureKey, best: Floats
) -> None:
    for row, patterns in enumerate(batch.patterns):
        real = patterns.real
        sign = np.where(patterns.total[real] >= 0, 1.0, -1.0)
        greedy, wider = sign * patterns.influence[level][real], sign * best[row, : len(real)][real]
        missed = wider > greedy + TOLERANCE * np.abs(greedy)
        index = batch.index[[row]]
        collected.add(key._replace(metric="greedy_missed"), index, missed.sum(), real.sum())
        reached = np.maximum(wider, greedy).sum()
        collected.add(key._replace(metric="greedy_share_of_best"), index, greedy.sum(), reached)


def _add_random(collected: Collected, batch: TracedBatch, level: Level, drawn: Floats) -> None:
    key, draws = MeasureKey("beats_random", "gpr", level, search="random"), drawn.shape[-1]
    for row, patterns in enumerate(batch.patterns):
        real = patterns.real
        sign = np.where(patterns.total[real] >= 0, 1.0, -1.0)
        greedy, others = sign * patterns.influence[level][real], sign[:, None] * drawn[row, : len(real)][real]
        index = batch.index[[row]]
        beaten = (greedy[:, None] > others).all(1)
        collected.add(key, index, beaten.sum(), real.sum(), draws=draws)
        spread = others.std(1, ddof=1)
        varied = spread > 0
        z = (greedy - others.mean(1))[varied] / spread[varied]
        # A median: where random patterns carry next to nothing, so is their spread, and z without bound.
        of_words = key._replace(metric="z_over_random")
        collected.add_words(of_words, index[0], z, draws=draws, note="median over words")
