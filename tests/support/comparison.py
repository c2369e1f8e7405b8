"""The library's patterns and the oracle's, asked the same questions and put in the same words."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from ipgraph.extractor.evaluation.ablation.forward import Kept, ablated
from ipgraph.extractor.extraction.options import QUADRATURES
from ipgraph.extractor.methods.patterns.paths import NO_RUNNER_UP, Paths, signs
from ipgraph.extractor.methods.patterns.search import attention_paths, embedding_paths
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.architectures.bert import bert_adapter
from ipgraph.extractor.models.heads import qoi
from ipgraph.extractor.models.oracle import Guided, Question
from ipgraph.extractor.tracing.batch import Batch, IntegrationPath
from ipgraph.extractor.tracing.trace import Trace
from support.random_models import VOCABULARY

KINDS = ["masked-lm", "classifier"]
POINTS = {"uniform": oracle.uniform, "gauss-legendre": oracle.gauss_legendre}
MASK_ID, PAD_ID = 4, 0
BASELINES = ["mask", "pad", "zero"]


def baseline_of(model: Any, name: str) -> Tensor:
    words: Tensor = model.get_input_embeddings().weight
    return {"mask": words[MASK_ID], "pad": words[PAD_ID], "zero": torch.zeros_like(words[0])}[name]


def questions(
    model: Any,
    kind: str,
    lengths: Sequence[int],
    seed: int = 0,
    *,
    baseline: str = "mask",
    quadrature: str = "uniform",
    n_steps: int = 5,
    is_pair: bool = False,
) -> list[Question]:
    """Return random sentences with different targets, as the oracle takes them; pairs have token types."""
    chance = torch.Generator().manual_seed(seed)
    found = []
    for length in lengths:
        ids = torch.randint(5, VOCABULARY, (length,), generator=chance).tolist()
        ids[0], ids[-1] = 1, 2
        target = 0
        correct, wrong = 1, 0
        if kind == "masked-lm":
            target = int(torch.randint(1, length - 1, (1,), generator=chance))
            ids[target] = MASK_ID
            correct, wrong = torch.randperm(VOCABULARY, generator=chance)[:2].tolist()
        points = POINTS[quadrature](n_steps)
        types = (*[0] * (length // 2), *[1] * (length - length // 2)) if is_pair else ()
        read = (target, correct, wrong, baseline_of(model, baseline))
        found.append(Question(tuple(ids), *read, *points, types))
    return found


def batch_of(asked: Sequence[Question], *, extra: int = 0, device: str = "cpu") -> Batch:
    """Return the library's batch of these sentences, padded to the longest and `extra` more."""
    longest = max(len(one.ids) for one in asked) + extra
    fill = [longest - len(one.ids) for one in asked]
    types = [[*(one.types or [0] * len(one.ids)), *[0] * n] for one, n in zip(asked, fill, strict=True)]
    return Batch(
        ids=torch.tensor(
            [[*one.ids, *[PAD_ID] * n] for one, n in zip(asked, fill, strict=True)], device=device
        ),
        types=torch.tensor(types, device=device),
        mask=torch.tensor(
            [[True] * len(one.ids) + [False] * n for one, n in zip(asked, fill, strict=True)], device=device
        ),
        target=torch.tensor([one.target for one in asked], device=device),
        qoi_logits=torch.tensor([(one.correct, one.wrong) for one in asked], device=device),
    )


def integration_path_of(quadrature: str, n_steps: int, like: Tensor) -> IntegrationPath:
    points, weights = QUADRATURES[quadrature](n_steps)
    return IntegrationPath(torch.tensor(points).to(like), torch.tensor(weights).to(like))


def trace_of(
    model: Any,
    asked: Sequence[Question],
    *,
    quadrature: str = "uniform",
    n_steps: int = 5,
    extra: int = 0,
    keep: bool = True,
) -> Trace:
    words = model.get_input_embeddings().weight
    return Trace(
        bert_adapter(model),
        batch_of(asked, extra=extra, device=words.device),
        integration_path_of(quadrature, n_steps, words),
        asked[0].baseline.to(words),
        keep=keep,
    )


def fast(trace: Trace) -> list[list[Guided]]:
    """Return the library's patterns of each sentence in the oracle's words."""
    sentences, positions = trace.batch.ids.shape
    words = torch.arange(positions, device=trace.batch.ids.device).expand(sentences, -1)
    embedding = embedding_paths(trace, words)
    attention = attention_paths(trace, embedding)
    return [
        [
            guided(trace, embedding, attention, row, word)
            for word in range(positions)
            if bool(trace.batch.mask[row, word] & trace.has_pattern[row, word])
        ]
        for row in range(sentences)
    ]


def guided(trace: Trace, embedding: Paths, attention: Paths, row: int, word: int) -> Guided:
    """Return one word's pattern; asserts that its forced steps repeat the one before."""
    assert attention.choices is not None
    assert embedding.positions[row, word].tolist() == attention.positions[row, word].tolist()
    influences, margins = attention.influence[row, word].tolist(), attention.margin[row, word].tolist()
    assert influences[1::2] == influences[2::2]
    assert all(math.isnan(margin) for margin in margins[0::2])
    assert set(attention.runner_up[row, word, 0::2].tolist()) == {NO_RUNNER_UP}
    assert embedding.influence[row, word, 0] == trace.total_influence[row, word]
    return Guided(
        word,
        int(signs(trace, embedding.positions[..., 0])[row, word]),
        tuple(embedding.positions[row, word, 1:].tolist()),
        tuple(embedding.influence[row, word].tolist()),
        nullable(embedding.margin[row, word].tolist()),
        runners_up(embedding.runner_up[row, word].tolist()),
        tuple(attention.choices[row, word].tolist()),
        (influences[0], *influences[1::2]),
        nullable([math.nan, *margins[1::2]]),
        hop_runners_up([NO_RUNNER_UP, *attention.runner_up[row, word, 1::2].tolist()]),
    )


def nullable(margins: list[float]) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(margin) else margin for margin in margins)


def runners_up(candidates: list[int]) -> tuple[int | None, ...]:
    return tuple(None if candidate == NO_RUNNER_UP else candidate for candidate in candidates)


def hop_runners_up(candidates: Sequence[int | None]) -> tuple[int | None, ...]:
    """Return the runners-up of hops as the oracle counts them: heads from 0, SKIP the skip."""
    return tuple(None if c in (None, NO_RUNNER_UP) else c - 1 for c in candidates)


def numbers(one: Guided) -> list[float]:
    lists = (one.position_influences, one.position_margins, one.hop_influences, one.hop_margins)
    return [math.inf if value is None else value for values in lists for value in values]


def chosen(one: Guided) -> tuple[object, ...]:
    return one.word, one.sign, one.positions, one.hops, one.position_runners_up, one.hop_runners_up


def assert_same(found: Sequence[Guided], expected: Sequence[Guided], tolerance: float) -> None:
    """Assert equal choices, and numbers equal to `tolerance` of the sentence's largest influence."""
    assert [chosen(one) for one in found] == [chosen(one) for one in expected]
    scale = max(1.0, *(abs(g.position_influences[0]) for g in expected))
    for one, other in zip(found, expected, strict=True):
        assert numbers(one) == pytest.approx(numbers(other), rel=0, abs=tolerance * scale)


def ablated_qoi(adapter: Adapter, batch: Batch, qoi_logits: Tensor, kept: Kept) -> Tensor:
    """Return what the library says that the QoI of each ablation is, [B, R]."""
    return qoi(adapter.logits, ablated(adapter, batch, kept), qoi_logits)
