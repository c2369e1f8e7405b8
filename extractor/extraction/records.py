"""A batch's patterns turned into the records of a shard."""

from functools import cache

import torch
from torch import Tensor

from ipgraph.extractor.methods.patterns.paths import NO_RUNNER_UP, Paths
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.sets import SKIP
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs.directory import Shard
from ipgraph.graphstore.schema.labels import (
    NodeKey,
    node_id,
    node_label,
    pattern_id,
    role_label,
    target_label,
)
from ipgraph.graphstore.schema.records import Level, Pattern, Prediction, Step

_label = cache(node_label)


def predictions(run: str, batch: list[Encoded], trace: Trace, qoi: str) -> list[Prediction]:
    """Return what the trace found out about each sentence of a batch."""
    ends = trace.qoi[:, [0, -1]].tolist()
    totals = trace.total_influence.sum(1).tolist()
    logits = trace.qoi_logits.tolist()
    return [
        Prediction(
            run=run,
            instance=one.instance.id,
            qoi=end,
            qoi_baseline=start,
            is_correct=_is_correct(one, end, logits[index][0], qoi),
            completeness_error=totals[index] - (end - start),
            target=one.target,
            label_is_predicted=_has_no_label(one),
            tokens=one.tokens,
            words=one.words,
            word_indices=one.word_indices,
            roles=one.roles,
        )
        for index, (one, (start, end)) in enumerate(zip(batch, ends, strict=True))
    ]


def _is_correct(one: Encoded, value: float, first: int, qoi: str) -> bool:
    if qoi == "positive-negative":
        return _has_no_label(one) or (value > 0) == (one.instance.label == first)
    return value > 0


def _has_no_label(one: Encoded) -> bool:
    return one.instance.label < 0 and not one.instance.correct


def require_finite(batch: list[Encoded], trace: Trace) -> None:
    """Raise IpgraphError that names the first sentence for which the model gave NaN or infinity."""
    finite = trace.qoi.isfinite().all(1) & trace.total_influence.isfinite().all(1)
    for one, is_finite in zip(batch, finite.tolist(), strict=True):
        if not is_finite:
            raise IpgraphError(
                f"the model gave NaN or infinite values for instance {one.instance.id} "
                f"({one.instance.text!r}); its weights may be broken, or too large for this --dtype"
            )


def add_patterns(
    shard: Shard, run: str, model: LoadedModel, batch: list[Encoded], trace: Trace, paths: Paths
) -> None:
    """Add the patterns and steps of words' paths to a shard: of words that have a pattern."""
    level: Level = "embedding" if paths.choices is None else "attention"
    positions = paths.positions.tolist()
    choices = _listed(paths.choices, paths.positions)
    influence, margin, runner_up = (x.tolist() for x in (paths.influence, paths.margin, paths.runner_up))
    total, moves = trace.total_influence.tolist(), trace.has_pattern.tolist()
    for row, one in enumerate(batch):
        for word, path in enumerate(positions[row]):
            source = path[0]
            if source >= len(one.ids) or not moves[row][source]:
                continue
            places = _places(path, choices[row][word] if choices else None)
            pattern = _pattern(
                run, model.key, one, level, total[row][source], influence[row][word][-1], places
            )
            shard.patterns.append(pattern)
            steps = zip(
                pattern.path, influence[row][word], margin[row][word], runner_up[row][word], strict=True
            )
            for step, (node, value, over, second) in enumerate(steps):
                close = (None, None) if second == NO_RUNNER_UP else (over, second)
                shard.steps.append(Step(pattern.id, step, node, value, *close))


def _listed(choices: Tensor | None, positions: Tensor) -> list[list[list[int]]] | None:
    return None if choices is None else torch.as_tensor(choices).expand(*positions.shape[:2], -1).tolist()


def _places(path: list[int], choices: list[int] | None) -> list[NodeKey]:
    """Return a path's nodes in order."""
    places = [NodeKey("input", 0, path[0])]
    for layer, position in enumerate(path[1:], 1):
        if choices is not None:
            head = choices[layer - 1]
            is_skip = head == SKIP
            places.append(NodeKey("skip" if is_skip else "head", layer, position, 0 if is_skip else head + 1))
        places.append(NodeKey("embedding", layer, position))
    return places


def _pattern(
    run: str, model: str, one: Encoded, level: Level, total: float, influence: float, places: list[NodeKey]
) -> Pattern:
    labels = [_label(*place) for place in places]
    position = places[0].position
    return Pattern(
        id=pattern_id(run, one.instance.id, level, position),
        run=run,
        instance=one.instance.id,
        level=level,
        sign=1 if total >= 0 else -1,
        total_influence=total,
        influence=influence,
        word=one.words[position],
        word_index=one.word_indices[position],
        token=one.tokens[position],
        position=position,
        role=one.roles[position],
        path=[node_id(model, label) for label in labels],
        route=" ".join(labels),
        role_route=" ".join(
            role_label(label, one.roles[place.position]) for label, place in zip(labels, places, strict=True)
        ),
        target_route=" ".join(target_label(label, one.target) for label in labels),
    )
