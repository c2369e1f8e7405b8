"""Fast patterns against their definition: the oracle's every step, influence, margin and choice."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.comparison import (
    BASELINES,
    KINDS,
    POINTS,
    assert_same,
    batch_of,
    fast,
    integration_path_of,
    numbers,
    questions,
    trace_of,
)
from support.random_models import random_model
from torch import Tensor

from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.architectures.bert import bert_adapter
from ipgraph.extractor.models.oracle import SKIP, Guided, Question
from ipgraph.extractor.tracing.trace import Trace

# --- against the definition ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("quadrature", POINTS)
def test_every_step_is_what_the_definition_says(kind: str, baseline: str, quadrature: str) -> None:
    sizes = [(2, 2, 12), (3, 3, 12), (4, 2, 16), (3, 1, 8)]
    pairs = []
    for seed, (layers, heads, hidden) in enumerate(sizes):
        model = random_model(kind, layers, heads, hidden, seed)
        asked = questions(
            model, kind, [5, 7], seed, baseline=baseline, quadrature=quadrature, is_pair=seed % 2 == 1
        )
        trace = trace_of(model, asked, quadrature=quadrature)
        pairs += list(zip(fast(trace), (oracle.gpr(model, one) for one in asked), strict=True))
    moves, skips = oracle.variety([one for _, expected in pairs for one in expected])
    assert moves >= 1 / 3
    assert 0.1 <= skips <= 0.9
    for found, expected in pairs:
        assert_same(found, expected, 1e-11)


@pytest.mark.parametrize("activation", ["relu", "gelu_new", "silu", "tanh"])
def test_other_activations(activation: str) -> None:
    model = random_model("masked-lm", 2, 2, 12, 11, hidden_act=activation)
    asked = questions(model, "masked-lm", [6], 11)
    (found,) = fast(trace_of(model, asked))
    assert_same(found, oracle.gpr(model, asked[0]), 1e-11)


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    baseline=st.sampled_from(BASELINES),
    layers=st.integers(1, 4),
    heads=st.integers(1, 4),
    width=st.integers(6, 8),
    length=st.integers(3, 7),
    n_steps=st.integers(2, 6),
    seed=st.integers(0, 2**20),
)
def test_models_of_any_shape(
    kind: str, baseline: str, layers: int, heads: int, width: int, length: int, n_steps: int, seed: int
) -> None:
    model = random_model(kind, layers, heads, heads * width, seed)
    asked = questions(model, kind, [length], seed, baseline=baseline, n_steps=n_steps)
    (found,) = fast(trace_of(model, asked, n_steps=n_steps))
    assert_same(found, oracle.gpr(model, asked[0]), 1e-10)


def test_ties_go_to_the_skip_then_the_lowest_head_then_the_lowest_position() -> None:
    """Where attention adds nothing, all that other words could do is zero."""
    model = random_model("masked-lm", 3, 2, 12, 21)
    for layer in model.bert.encoder.layer:
        layer.attention.output.dense.weight.zero_()
    (asked,) = questions(model, "masked-lm", [6], 21)
    assert asked.target is not None
    assert asked.target > 0
    found = fast(trace_of(model, [asked]))[0]
    assert_same(found, oracle.gpr(model, asked), 0)
    assert [one.word for one in found] == [word for word in range(6) if word != asked.target]
    for one in found:
        assert (one.sign, one.positions) == (1, (0, 0, asked.target))
        assert one.hops == (SKIP if one.word == 0 else 0, SKIP, 0)
        assert set(one.position_influences) == {0}


def test_a_word_equal_to_the_baseline_has_no_pattern() -> None:
    model = random_model("masked-lm", 2, 2, 12, 13)
    for baseline, expected in {"mask": False, "pad": True, "zero": True}.items():
        asked = questions(model, "masked-lm", [6], 13, baseline=baseline)
        (found,) = fast(trace_of(model, asked))
        assert (asked[0].target in {one.word for one in found}) == expected
        assert len(found) == 6 - (not expected)


@pytest.mark.parametrize("kind", KINDS)
def test_influence_is_additive_over_guiding_sets(kind: str) -> None:
    """The children's influences are the oracle's, their parent's the library's."""
    model = random_model(kind, 3, 2, 12, 14)
    (asked,) = questions(model, kind, [6], 14)
    (found,) = fast(trace_of(model, [asked]))
    heads = model.config.num_attention_heads
    for one in found:
        for step in range(3):
            positions = [(*one.positions[:step], e) for e in range(len(asked.ids))]
            whole = oracle.influences(model, asked, [oracle.Path(one.word, p) for p in positions])
            assert sum(whole) == pytest.approx(one.position_influences[step], abs=1e-11)
            hops = [(*one.hops[:step], hop) for hop in (SKIP, *range(heads))]
            whole = oracle.influences(model, asked, [oracle.Path(one.word, one.positions, h) for h in hops])
            assert sum(whole) == pytest.approx(one.hop_influences[step], abs=1e-11)


# --- batches ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("baseline", ["mask", "zero"])
def test_a_batch_gives_what_single_sentences_give(kind: str, baseline: str) -> None:
    model = random_model(kind, 3, 2, 12, 15)
    asked = questions(model, kind, range(4, 21), 15, baseline=baseline, is_pair=True)
    assert len({one.target for one in asked}) > (5 if kind == "masked-lm" else 0)
    together, padded = fast(trace_of(model, asked)), fast(trace_of(model, asked, extra=5))
    for index, one in enumerate(asked):
        (alone,) = fast(trace_of(model, [one]))
        assert_same(together[index], alone, 1e-12)
        assert_same(padded[index], alone, 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_float32_batch_differs_only_in_near_ties(kind: str) -> None:
    model = random_model(kind, 3, 2, 12, 16).float()
    asked = questions(model, kind, range(4, 21), 16, n_steps=10)
    trace = trace_of(model, asked, n_steps=10)
    together = fast(trace)
    for index, one in enumerate(asked):
        (alone,) = fast(trace_of(model, [one], n_steps=10))
        near = 1e-5 * abs(float(trace.qoi[index, -1]))
        assert_same_but_for_near_ties(together[index], alone, near)


def assert_same_but_for_near_ties(found: Sequence[Guided], expected: Sequence[Guided], near: float) -> None:
    """Assert that two searches part only at a choice within `near` of a tie, and else agree."""
    assert [one.word for one in found] == [one.word for one in expected]
    scale = max(abs(value) for one in expected for value in (*one.position_influences, *one.hop_influences))
    alike = 0
    for one, other in zip(found, expected, strict=True):
        if one.sign != other.sign:
            assert abs(other.position_influences[0]) < near
            continue
        margin = first_difference(one.positions, other.positions, other.position_margins)
        if margin is None:
            margin = first_difference(one.hops, other.hops, other.hop_margins)
        assert margin is None or margin < near
        if margin is None:
            alike += 1
            assert numbers(one) == pytest.approx(numbers(other), rel=0, abs=1e-4 * scale)
    assert alike > len(found) / 2


def first_difference(
    found: Sequence[int], expected: Sequence[int], margins: Sequence[float | None]
) -> float | None:
    """Return the margin of the first choice that differs, None where all are equal."""
    choices = zip(found, expected, margins[1:], strict=True)
    return next((margin for one, other, margin in choices if one != other), None)


# --- the model's own numbers ---


@pytest.mark.parametrize("kind", KINDS)
def test_completeness_error_shrinks_with_the_steps(kind: str) -> None:
    model = random_model(kind, 3, 2, 12, 18)
    asked = questions(model, kind, [6, 9, 12], 18)

    def error(n_steps: int, quadrature: str = "uniform") -> float:
        trace = trace_of(model, asked, quadrature=quadrature, n_steps=n_steps)
        changes = [oracle.qoi_at(model, one, 1) - oracle.qoi_at(model, one, 0) for one in asked]
        ends = trace.qoi[:, -1] - trace.qoi[:, 0]
        assert ends.tolist() == pytest.approx(changes, abs=1e-12)
        return float((trace.total_influence.sum(1) - ends).abs().max())

    errors = [error(n) for n in (10, 40, 160, 640)]
    assert all(later < earlier / 2 for earlier, later in pairwise(errors))
    assert error(40, "gauss-legendre") < errors[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_logits_through_the_adapter_are_the_models(kind: str) -> None:
    model = random_model(kind, 3, 2, 12, 19, num_labels=3)
    asked = questions(model, kind, [4, 11, 20], 19, is_pair=True)
    assert adapter_logits(model, asked) == pytest.approx(model_logits(model, asked), abs=1e-12)


def adapter_logits(model: Any, asked: Sequence[Question]) -> Any:
    """Return all logits at each target, from the last embedding that the trace arrives at."""
    adapter, seen = bert_adapter(model), []

    def spy(h: Tensor, rows: Tensor | None) -> Tensor:
        seen.append(h[:, -1:].detach())
        return adapter.logits(h, rows)

    words = model.get_input_embeddings().weight
    path = integration_path_of("uniform", 2, words)
    Trace(replace(adapter, logits=spy), batch_of(asked), path, asked[0].baseline.to(words))
    every = None
    if hasattr(model, "cls"):
        every = torch.arange(model.config.vocab_size).expand(len(asked), -1)
    return adapter.logits(seen[-1], every)[:, 0].numpy()


def model_logits(model: Any, asked: Sequence[Question]) -> Any:
    """Return the same from the Hugging Face model, each sentence alone."""
    found = [oracle.logits(model, one.ids, one.types)[0] for one in asked]
    return torch.stack(
        [f if f.dim() == 1 else f[q.target] for f, q in zip(found, asked, strict=True)]
    ).numpy()
