"""The influence of any given patterns: what a sentence's words send to the QoI through the nodes named."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ipgraph.extractor.datasets import Example
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.batch import Baseline, IntegrationPath
from ipgraph.extractor.tracing.memory import Plan, plan
from ipgraph.extractor.tracing.sampling import Sampling
from ipgraph.extractor.tracing.sets import Sets, influence
from ipgraph.extractor.tracing.trace import Trace, trace_of
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.labels import LABEL_WIDTH, NodeKey, parse_label
from ipgraph.graphstore.schema.records import Level

Names = Sequence[str]
"""A pattern as its nodes' labels (or ids), such as `x00.--@0004`, `h01.03@0004`, `e01.--@0004`."""


def influence_of(
    model: LoadedModel,
    examples: Sequence[Example],
    patterns: Sequence[Sequence[Names]],
    level: Level = "attention",
    *,
    options: Options | None = None,
    answers: str | None = None,
) -> list[list[float]]:
    """Return the influence of each example's patterns: I(x, pi) of Lu et al. 2021, definition 3.

    A pattern names its word's input node and any others. Where it names several nodes in a layer, the
    influence sums over the paths through each; where it names no embedding in a layer, or no head or skip,
    over all of them. It is 0 where nothing moves (a decoder's first position that is held) or no path is
    possible. `options` say which QoI, baseline and samples, `answers` how forms of several pieces are
    compared. Raises UsageError for an example that the model cannot read, or a node that its
    graph does not have.
    """
    options = (options or Options()).for_model(model)
    encoded, skipped = encode(model, examples, qoi=options.qoi, answers=answers, allow_unk=True)
    if skipped:
        raise UsageError(f"{skipped[0].where}: {skipped[0].reason}")
    influences: list[list[float]] = []
    sampling, baseline = options.sampling(model), options.baseline_of(model)
    for sentence, wanted in zip(encoded, patterns, strict=True):
        parsed = [_Pattern.of(names, model, sentence, level) for names in wanted]
        with torch.no_grad():
            influences.append(_influences(model, sentence, parsed, sampling, baseline))
    return influences


def _influences(
    model: LoadedModel, sentence: Encoded, patterns: list["_Pattern"], sampling: Sampling, baseline: Baseline
) -> list[float]:
    """Return the influence of a sentence's patterns, as many at once as fit in memory."""

    def planned(path: IntegrationPath) -> Plan:
        return plan(model, len(sentence.ids), len(path.points), sentences=1)

    trace = sampling.settle(lambda path: trace_of(model, [sentence], path, baseline, keep=planned(path).keep))
    words = planned(trace.integration_path).words
    size = max(1, words // max([1, *(p.width for p in patterns)]))
    chunks = [patterns[start : start + size] for start in range(0, len(patterns), size)]
    return [value for chunk in chunks for value in influence(trace, _sets(trace, chunk))[0].tolist()]


@dataclass(frozen=True)
class _Pattern:
    """A pattern's positions by layer 0..L; its hops (position, head or 0) by layer 1..L, None where free."""

    positions: list[list[int]]
    hops: list[set[tuple[int, int]] | None]

    @property
    def width(self) -> int:
        return max(map(len, self.positions))

    @classmethod
    def of(cls, names: Names, model: LoadedModel, sentence: Encoded, level: Level) -> "_Pattern":
        """Read node ids as places and hops; raises UsageError for a node that the model or level lacks."""
        depth, length = len(model.adapter.layers), len(sentence.ids)
        positions: list[list[int]] = [[] for _ in range(depth + 1)]
        hops: list[set[tuple[int, int]]] = [set() for _ in range(depth + 1)]
        for name in names:
            kind, layer, position, head, _ = _node_key(name)
            _require(name, level, kind, layer <= depth and position < length and head <= model.adapter.heads)
            if kind in ("head", "skip"):
                hops[layer].add((position, head))
            elif position not in positions[layer]:
                positions[layer].append(position)
        if len(positions[0]) != 1:
            raise UsageError(f"pattern {' '.join(names)!r} has {len(positions[0])} input nodes; it needs one")
        if positions[depth] not in ([], [sentence.target]):
            raise UsageError(
                f"pattern {' '.join(names)!r} ends elsewhere than at the target {sentence.target}"
            )
        everywhere = list(range(length))
        inner = [places or everywhere for places in positions[1:-1]]
        return cls([positions[0], *inner, [sentence.target]], [chosen or None for chosen in hops[1:]])


def _node_key(name: str) -> NodeKey:
    try:
        return parse_label(name[-LABEL_WIDTH:])
    except (IndexError, KeyError, ValueError) as error:
        raise UsageError(f"{name!r} is not a node's id or label, such as 'h03.07@0012'") from error


def _require(name: str, level: Level, kind: str, is_there: bool) -> None:
    if kind == "output" or not is_there:
        raise UsageError(f"node {name!r} is not in the sentence's graph up to its last embedding")
    if level == "embedding" and kind in ("head", "skip"):
        raise UsageError(f"node {name!r} is a {kind}, and the embedding level has none")


def _sets(trace: Trace, patterns: Sequence[_Pattern]) -> Sets:
    """Return the patterns of one sentence as sets, places filled up by empty ones."""
    width = max(p.width for p in patterns)
    device = trace.start.device
    positions = torch.tensor(
        [[places + [0] * (width - len(places)) for places in p.positions] for p in patterns], device=device
    )
    present = torch.tensor(
        [[[k < len(places) for k in range(width)] for places in p.positions] for p in patterns], device=device
    )
    hops = None
    if any(chosen is not None for p in patterns for chosen in p.hops):
        hops = torch.tensor([_kept(p, width, trace.heads) for p in patterns], device=device)[None]
    return Sets(positions[None], present[None], hops)


def _kept(pattern: _Pattern, width: int, heads: int) -> list[list[list[bool]]]:
    """Return whether the skip (first) and each head into each place is in the pattern, by layer 1..L."""
    kept = []
    for places, chosen in zip(pattern.positions[1:], pattern.hops, strict=True):
        rows = [[chosen is None or (place, head) in chosen for head in range(heads + 1)] for place in places]
        kept.append(rows + [[False] * (heads + 1)] * (width - len(rows)))
    return kept
