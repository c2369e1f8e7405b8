"""What an evaluation measures in each instance (Lu et al. 2021, section 4), but for ablation and search."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from ipgraph.extractor.evaluation.ablation.kept import Nodes
from ipgraph.extractor.evaluation.estimates import Collected, Key
from ipgraph.extractor.evaluation.instances import Guided, Traced
from ipgraph.extractor.methods.patterns.scored import attention_at_input
from ipgraph.extractor.tracing.sets import SKIP
from ipgraph.graphstore.schema.graph import GraphShape, path_count
from ipgraph.graphstore.schema.records import Level

SIGNS = {"positive": 1, "negative": -1}


def add_concentration(
    collected: Collected,
    batch: Traced,
    method: str,
    level: Level,
    influence: npt.ArrayLike,
    variant: str = "",
) -> None:
    """Add the share of the words' total influence that patterns [B, N] carry, by sign, per instance."""
    influence = np.asarray(influence, float)
    for name, sign in SIGNS.items():
        for row, guided in enumerate(batch.guided):
            chosen = guided.positive if sign > 0 else guided.real & ~guided.positive
            total = guided.total[chosen].sum()
            carried = influence[row, : len(chosen)][chosen].sum()
            key = Key(f"concentration_{name}", method, level, variant)
            collected.add(key, batch.index[[row]], carried / total if total else np.nan)


def stacked(guided: Sequence[Guided], level: Level) -> npt.NDArray[np.float64]:
    """Return instances' pattern influences [B, N], nan where there is none."""
    longest = max(len(g.total) for g in guided)
    found = np.full((len(guided), longest), np.nan)
    for row, one in enumerate(guided):
        found[row, : len(one.total)] = one.influence[level]
    return found


def add_alignment(collected: Collected, batch: Traced) -> None:
    """Add the share of the patterns' head nodes that are the head that attends most."""
    if batch.choices is None:
        return
    trace = batch.trace
    aligned = torch.zeros_like(batch.real, dtype=torch.long)
    heads = torch.zeros_like(aligned)
    for index, p in enumerate(attention_at_input(trace)):
        source, above = batch.positions[..., index], batch.positions[..., index + 1]
        row = trace.destination(index, above)
        columns = p.argmax(1).gather(1, row[..., None].expand(-1, -1, p.shape[-1]))
        most = columns.gather(2, source[..., None])[..., 0]
        choice = batch.choices[..., index]
        is_head = batch.real & (choice != SKIP)
        aligned += is_head & (choice == most)
        heads += is_head
    key = Key("alignment", "gpr", "attention", note=f"chance is 1/{trace.heads}")
    collected.add(key, batch.index, aligned.sum(1).tolist(), heads.sum(1).tolist())


def add_skip_share(collected: Collected, guided: Sequence[Guided]) -> None:
    """Add the share of skips among all hops, and among those that stay at their position."""
    for index, one in enumerate(guided):
        if one.choices is None:
            return
        skips = (one.choices[one.real] == SKIP).sum()
        stays = (one.positions[one.real, 1:] == one.positions[one.real, :-1]).sum()
        hops = one.choices[one.real].size
        collected.add(Key("skip_share", "gpr", "attention"), [index], skips, hops)
        collected.add(Key("skip_share_of_stays", "gpr", "attention"), [index], skips, stays)


def add_path_shares(collected: Collected, batch: Traced, level: Level, nodes: Nodes) -> None:
    """Add the share of all paths that Pi_+ is: one path a word, and all paths inside its nodes."""
    shape = GraphShape.uniform(batch.trace.depth, batch.trace.heads)
    inside = paths_inside(nodes)
    for row, guided in enumerate(batch.guided):
        every = path_count(shape, len(guided.total), level, target=guided.one.target)
        for variant, paths in (("one path a word", int(guided.positive.sum())), ("inside", inside[row])):
            share = paths / every  # exact integers up to here
            collected.add(Key("path_share", "gpr", level, f"counting={variant}"), batch.index[[row]], share)


def paths_inside(nodes: Nodes) -> list[int]:
    """Return exactly how many paths from inputs to the last embedding lie in each sentence's nodes."""
    hops = None if nodes.hops is None else nodes.hops.tolist()
    return [
        _paths_inside(embeddings, None if hops is None else hops[row])
        for row, embeddings in enumerate(nodes.embeddings.tolist())
    ]


def _paths_inside(embeddings: list[list[bool]], hops: list[list[list[bool]]] | None) -> int:
    ways = [int(kept) for kept in embeddings[0]]
    for layer, kept in enumerate(embeddings[1:]):
        every = sum(ways)
        if hops is None:
            ways = [every * is_kept for is_kept in kept]
        else:
            ways = [
                is_kept * (every * sum(hops[layer][e][1:]) + ways[e] * hops[layer][e][0])
                for e, is_kept in enumerate(kept)
            ]
    return sum(ways)
