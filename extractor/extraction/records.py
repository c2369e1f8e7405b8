"""A batch's patterns turned into the records of a shard."""

from array import array
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ipgraph.extractor.extraction.job import Job
from ipgraph.extractor.methods.attributions import Attributed, Integral
from ipgraph.extractor.methods.patterns.paths import NO_RUNNER_UP, Paths
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.heads import NO_LOGIT
from ipgraph.extractor.models.loading import Model
from ipgraph.extractor.models.outcomes import Outcome, judged
from ipgraph.extractor.tracing.sets import SKIP
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.runs.directory import Shard
from ipgraph.graphstore.schema.labels import (
    NodeKey,
    node_id,
    node_label,
    pattern_id,
    role_label,
    target_label,
)
from ipgraph.graphstore.schema.records import Attribution, LayerMatrix, Level, Pattern, Prediction, Step, View

_node_label = cache(node_label)


def predictions(
    job: Job,
    model: Model,
    batch: list[Encoded],
    outcomes: Sequence[Outcome],
    integrals: Sequence[Integral | None],
) -> list[Prediction]:
    """Return what a model says about each sentence, and how its path integral went where there is one."""
    return [
        Prediction(
            run=job.run,
            instance=sentence.instance.id,
            qoi=outcome.qoi,
            qoi_baseline=integral.qoi_baseline if integral else None,
            is_correct=outcome.is_correct,
            completeness_error=integral.completeness_error if integral else None,
            points=integral.points if integral else 0,
            is_settled=integral.is_settled if integral else None,
            target=sentence.target,
            label=outcome.label,
            label_is_predicted=is_label_predicted(sentence),
            toward=_logit_name(model, outcome.qoi_logits[0]),
            against=_logit_name(model, outcome.qoi_logits[1]),
            tokens=sentence.tokens,
            words=sentence.words,
            word_indices=sentence.word_indices,
            roles=sentence.roles,
        )
        for sentence, outcome, integral in zip(batch, outcomes, integrals, strict=True)
    ]


def outcomes_of(model: Model, batch: list[Encoded], trace: Trace) -> list[Outcome]:
    """Return what a trace says about the sentences of its batch at the input."""
    qoi = trace.qoi[:, -1]
    scores = trace.class_logits()[:, 0] if model.classes else qoi.new_empty(len(batch), 0)
    labels, is_correct = judged(model, batch, qoi, scores)
    columns = (qoi, trace.qoi_logits, labels, is_correct, scores)
    found = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Outcome(value, (first, second), label, right, tuple(of_classes))
        for value, (first, second), label, right, of_classes in found
    ]


def attributions(
    job: Job, batch: list[Encoded], method: str, found: Sequence[Attributed]
) -> list[Attribution]:
    """Return the records of the scores of each sentence's tokens."""
    return [
        Attribution(
            run=job.run,
            instance=sentence.instance.id,
            method=method,
            scores=one.scores.tolist(),
            cut_layers=_list(one.cut_layers),
            mixing=_list(one.mixing),
        )
        for sentence, one in zip(batch, found, strict=True)
    ]


def views(job: Job, batch: list[Encoded], found: Sequence[Attributed]) -> list[View]:
    """Return the records of how heads see their layer and the tokens, of sentences that have them."""
    return [
        View(
            run=job.run,
            instance=sentence.instance.id,
            divergences=_list(one.views.divergences),
            correlations=_list(np.nan_to_num(one.views.correlations)),
            local_masses=_list(np.nan_to_num(one.views.local_masses)),
            global_masses=_list(np.nan_to_num(one.views.global_masses)),
        )
        for sentence, one in zip(batch, found, strict=True)
        if one.views is not None
    ]


def layer_matrices(job: Job, batch: list[Encoded], found: Sequence[Attributed]) -> list[LayerMatrix]:
    """Return the records of the layer matrices of each sentence."""
    return [
        LayerMatrix(
            run=job.run,
            instance=sentence.instance.id,
            name=name,
            layers=matrix.shape[0],
            rows=matrix.shape[1],
            columns=matrix.shape[2],
            values=array("d", matrix.tobytes()),  # a list of millions of numbers takes four times as much
        )
        for sentence, one in zip(batch, found, strict=True)
        for name, matrix in one.matrices.items()
    ]


def _list(values: NDArray[Any] | None) -> list[Any]:
    found: list[Any] = [] if values is None else values.ravel().tolist()
    return found


def is_label_predicted(sentence: Encoded) -> bool:
    """Return whether the predicted class stands for a label that the dataset does not give."""
    return sentence.label < 0 and not sentence.instance.correct


def _logit_name(model: Model, index: int) -> str:
    if index == NO_LOGIT:
        return ""
    return model.classes[index] if model.classes else str(model.tokenizer.convert_ids_to_tokens(index))


def add_patterns(records: Shard, job: Job, batch: list[Encoded], trace: Trace, paths: Paths) -> None:
    """Add the patterns of words that have one, and their steps, to a shard's records."""
    level: Level = "embedding" if paths.choices is None else "attention"
    positions = paths.positions.tolist()
    choices = _listed(paths.choices, paths.positions)
    products = None if paths.product is None else paths.product.tolist()
    influence, margin, runner_up = (x.tolist() for x in (paths.influence, paths.margin, paths.runner_up))
    total, has_pattern = trace.total_influence.tolist(), trace.has_pattern.tolist()
    for row, sentence in enumerate(batch):
        for word, path in enumerate(positions[row]):
            source = path[0]
            if source >= len(sentence.ids) or not has_pattern[row][source]:
                continue
            nodes = _nodes(path, choices[row][word] if choices else None)
            pattern = _pattern(
                job,
                sentence,
                level,
                nodes,
                total=total[row][source],
                influence=influence[row][word][-1],
                product=products[row][word] if products else None,
            )
            records.patterns.append(pattern)
            values = (pattern.path, influence[row][word], margin[row][word], runner_up[row][word])
            for step, (node, value, over, second) in enumerate(zip(*values, strict=True)):
                rest = (None, None) if second == NO_RUNNER_UP else (over, second)
                records.steps.append(Step(pattern.id, step, node, value, *rest))


def _listed(choices: Tensor | None, positions: Tensor) -> list[list[list[int]]] | None:
    return (
        None
        if choices is None
        else torch.as_tensor(choices, device=positions.device).expand(*positions.shape[:2], -1).tolist()
    )


def _nodes(path: list[int], choices: list[int] | None) -> list[NodeKey]:
    """Return a path's nodes in order."""
    nodes = [NodeKey("input", 0, path[0])]
    for layer, position in enumerate(path[1:], 1):
        if choices is not None:
            head = choices[layer - 1]
            is_skip = head == SKIP
            nodes.append(NodeKey("skip" if is_skip else "head", layer, position, 0 if is_skip else head + 1))
        nodes.append(NodeKey("embedding", layer, position))
    return nodes


def _pattern(
    job: Job,
    sentence: Encoded,
    level: Level,
    nodes: list[NodeKey],
    *,
    total: float,
    influence: float,
    product: float | None,
) -> Pattern:
    labels = [_node_label(*node) for node in nodes]
    position = nodes[0].position
    return Pattern(
        id=pattern_id(job.run, sentence.instance.id, level, position),
        run=job.run,
        instance=sentence.instance.id,
        level=level,
        sign=1 if total >= 0 else -1,
        total_influence=total,
        influence=influence,
        product=product,
        word=sentence.words[position],
        word_index=sentence.word_indices[position],
        token=sentence.tokens[position],
        position=position,
        role=sentence.roles[position],
        path=[node_id(job.key, label) for label in labels],
        route=" ".join(labels),
        role_route=" ".join(
            role_label(label, sentence.roles[node.position])
            for label, node in zip(labels, nodes, strict=True)
        ),
        target_route=" ".join(target_label(label, sentence.target) for label in labels),
    )
