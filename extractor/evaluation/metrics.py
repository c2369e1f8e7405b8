"""What an evaluation measures in each instance (Lu et al. 2021, section 4), but for ablation and search."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from ipgraph.extractor.evaluation.ablation.kept import Nodes
from ipgraph.extractor.evaluation.estimates import Collected, Floats
from ipgraph.extractor.evaluation.instances import InstancePatterns, TracedBatch
from ipgraph.extractor.models.shapes import adapter_shape
from ipgraph.extractor.tracing.sets import SKIP
from ipgraph.graphstore.schema.graph import GraphShape, path_count
from ipgraph.graphstore.schema.measures import INSIDE, ONE_PER_WORD, MeasureKey
from ipgraph.graphstore.schema.records import Level

SIGNS = {"positive": 1, "negative": -1}


def add_concentration(
    collected: Collected,
    batch: TracedBatch,
    method: str,
    level: Level,
    influence: npt.ArrayLike,
    *,
    k: int = 1,
) -> None:
    """Add the share of the words' total influence that patterns [B, N] carry, by sign, per instance."""
    influence = np.asarray(influence, float)
    for name, sign in SIGNS.items():
        key = MeasureKey(f"concentration_{name}", method, level, k=k)
        for row, patterns in enumerate(batch.patterns):
            chosen = patterns.positive if sign > 0 else patterns.real & ~patterns.positive
            total = patterns.total[chosen].sum()
            carried = influence[row, : len(chosen)][chosen].sum()
            collected.add(key, batch.index[[row]], carried / total if total else np.nan)


def stacked(instances: Sequence[InstancePatterns], level: Level) -> Floats:
    """Return instances' pattern influences [B, N], nan where there is none."""
    longest = max(len(patterns.total) for patterns in instances)
    influence = np.full((len(instances), longest), np.nan)
    for row, patterns in enumerate(instances):
        influence[row, : len(patterns.total)] = patterns.influence[level]
    return influence


def add_alignment(collected: Collected, batch: TracedBatch) -> None:
    """Add the share of the patterns' head nodes that are the head that attends most."""
    if batch.choices is None:
        return
    trace = batch.trace
    aligned = torch.zeros_like(batch.real, dtype=torch.long)
    heads = torch.zeros_like(aligned)
    for index, attention in enumerate(trace.attention_at_input()):
        source, above = batch.positions[..., index], batch.positions[..., index + 1]
        row = trace.destination(index, above)
        columns = attention.p[:, 0].argmax(1).gather(1, row[..., None].expand(-1, -1, trace.size[2]))
        most = columns.gather(2, source[..., None])[..., 0]
        choice = batch.choices[..., index]
        is_head = batch.real & (choice != SKIP)
        aligned += is_head & (choice == most)
        heads += is_head
    key, note = MeasureKey("alignment", "gpr", "attention"), f"chance is 1/{trace.heads}"
    collected.add(key, batch.index, aligned.sum(1).tolist(), heads.sum(1).tolist(), note=note)


def add_skip_share(collected: Collected, instances: Sequence[InstancePatterns]) -> None:
    """Add the share of skips among all hops, and among those that stay at their position."""
    for index, patterns in enumerate(instances):
        if patterns.choices is None:
            return
        choices, positions = patterns.choices[patterns.real], patterns.positions[patterns.real]
        skips = (choices == SKIP).sum()
        stays = (positions[:, 1:] == positions[:, :-1]).sum()
        collected.add(MeasureKey("skip_share", "gpr", "attention"), [index], skips, choices.size)
        collected.add(MeasureKey("skip_share_of_stays", "gpr", "attention"), [index], skips, stays)


def add_path_shares(collected: Collected, batch: TracedBatch, level: Level, nodes: Nodes) -> None:
    """Add the share of all paths that Pi_+ is: one path per word, and all paths inside its nodes.

    A position that is held has no influence to carry, and its paths do not count.
    """
    shape = adapter_shape(batch.trace.adapter)
    inside = paths_inside(nodes, shape)
    for row, patterns in enumerate(batch.patterns):
        length, target = len(patterns.total), patterns.encoded.target
        total = path_count(shape, length, level, target=target)
        if batch.holds_first:
            total -= path_count(shape, length, level, source=0, target=target)
        for counting, paths in ((ONE_PER_WORD, int(patterns.positive.sum())), (INSIDE, inside[row])):
            share = paths / total  # exact integers up to here
            key = MeasureKey("path_share", "gpr", level, counting=counting)
            collected.add(key, batch.index[[row]], share)


def paths_inside(nodes: Nodes, shape: GraphShape) -> list[int]:
    """Return exactly how many paths from inputs to the last embedding lie in each sentence's nodes."""
    hops = None if nodes.hops is None else nodes.hops.tolist()
    return [
        _paths_inside(embeddings, None if hops is None else hops[row], shape)
        for row, embeddings in enumerate(nodes.embeddings.tolist())
    ]


def _paths_inside(
    embeddings: list[list[bool]], hops: list[list[list[bool]]] | None, shape: GraphShape
) -> int:
    ways = [int(kept) for kept in embeddings[0]]
    for index, layer in enumerate(shape.layers):
        heard = [sum(ways[j] for j in layer.seen(e, len(ways))) for e in range(len(ways))]
        if hops is not None:
            into = hops[index]
            heard = [heard[e] * sum(into[e][1:]) + ways[e] * into[e][0] for e in range(len(ways))]
        ways = [count * kept for count, kept in zip(heard, embeddings[index + 1], strict=True)]
    return sum(ways)
