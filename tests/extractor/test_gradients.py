"""Saliency, gradient times input and integrated gradients against autograd through models of transformers."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.asked_models import FIXED, KINDS, Case, case_of
from support.extractions import sentences
from support.plain_gradients import Line
from torch import Tensor

from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.methods.attributions import Asked, Attributed, Integral
from ipgraph.extractor.methods.gradients.method import VARIANTS, gradients
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.oracle import gauss_legendre
from ipgraph.extractor.tracing import memory
from ipgraph.extractor.tracing import trace as tracing
from ipgraph.extractor.tracing.trace import Trace, trace_of
from ipgraph.graphstore.common.errors import IpgraphError

POINTS = 5


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return case_of(request.param, tmp_path, monkeypatch)


@pytest.fixture
def bert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return case_of("bert", tmp_path, monkeypatch)


def line_of(asked: Asked, sentence: Encoded) -> Line:
    baseline = asked.baseline
    return Line.of(
        asked.model.module,
        sentence,
        baseline.embedding,
        asked.at,
        is_probability=asked.is_probability,
        holds_first=baseline.holds_first,
    )


def integrated(line: Line) -> Tensor:
    """Return integrated gradients by unit, [N, E]."""
    points, weights = gauss_legendre(POINTS)
    at = line.start + points[:, None, None] * (line.end - line.start)
    return torch.einsum("s,snd->nd", weights, line.gradients(at)) * (line.end - line.start)


def at_input(line: Line) -> Tensor:
    return line.gradients(line.end[None])[0]


EXPECTED: dict[str, Callable[[Line], Tensor]] = {
    "saliency": lambda line: at_input(line).square().sum(-1).sqrt(),
    "gradient_x_input": lambda line: (at_input(line) * line.end).sum(-1),
    "integrated_gradients": lambda line: integrated(line).sum(-1),
    "integrated_gradients_l2": lambda line: integrated(line).square().sum(-1).sqrt(),
    "integrated_gradients_mean": lambda line: integrated(line).abs().sum(-1) / line.end.shape[1],
}


@pytest.mark.parametrize("is_probability", [False, True])
@pytest.mark.parametrize("at", ["word", "input"])
def test_scores_of_a_batch_are_those_of_autograd(case: Case, at: str, is_probability: bool) -> None:
    assert EXPECTED.keys() == VARIANTS.keys()
    for method, expected in EXPECTED.items():
        asked = case.asked(method, at=at, is_probability=is_probability)
        for sentence, found in zip(case.sentences, gradients(asked, case.sentences), strict=True):
            scores = expected(line_of(asked, sentence)).numpy()
            assert found.scores.shape == (len(sentence.ids),)
            assert found.scores == pytest.approx(scores, rel=0, abs=1e-9 * max(1.0, np.abs(scores).max()))
            assert np.abs(found.scores).max() > 1e-6
            assert (found.integral is None) == (not method.startswith("integrated"))


def test_a_narrow_embedding_and_h0_are_not_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of("electra", tmp_path, monkeypatch)
    assert case.model.adapter.words.shape[1] < case.model.adapter.hidden
    word, h0 = (
        gradients(case.asked("saliency", at=at), case.sentences)[0].scores for at in ("word", "input")
    )
    assert not np.allclose(word, h0, rtol=0.01)


def test_integrated_gradients_are_the_total_influence_of_guided_patterns(case: Case) -> None:
    asked = case.asked("integrated_gradients")
    (path,) = asked.sampling.paths
    for sentence in case.sentences:
        (found,) = gradients(asked, [sentence])
        with torch.no_grad():
            trace = trace_of(case.model, [sentence], path, asked.baseline)
        assert found.scores.tolist() == trace.total_influence[0].tolist()
        assert not asked.baseline.holds_first or found.scores[0] == 0


@pytest.mark.parametrize("is_probability", [False, True])
@pytest.mark.parametrize("at", ["word", "input"])
def test_integrated_gradients_are_complete(case: Case, at: str, is_probability: bool) -> None:
    asked = case.asked("integrated_gradients", Options(tolerance=1e-5), at=at, is_probability=is_probability)
    for sentence, one in zip(case.sentences, gradients(asked, case.sentences), strict=True):
        line, integral = line_of(asked, sentence), integral_of(one)
        with torch.no_grad():
            start, end = line.qoi(torch.stack([line.start, line.end])).tolist()
        assert integral.qoi_baseline == pytest.approx(start, abs=1e-10)
        assert integral.completeness_error == pytest.approx(one.scores.sum() - (end - start), abs=1e-9)
        least = 0.1 * max(start, end) if is_probability else 0.1
        is_within = abs(integral.completeness_error) <= 1e-5 * max(abs(end - start), least)
        assert integral.is_settled == is_within or not integral.is_settled  # a decoder is asked twice
        assert integral.is_settled or integral.points == 384


def integral_of(one: Attributed) -> Integral:
    assert one.integral is not None
    return one.integral


@pytest.mark.parametrize("method", VARIANTS)
def test_neighbours_and_order_change_nothing(case: Case, method: str) -> None:
    options = Options(tolerance=1e-4) if VARIANTS[method].is_integral else FIXED
    asked = case.asked(method, options)
    together = gradients(asked, case.sentences)
    turned = gradients(asked, case.sentences[::-1])[::-1]
    for sentence, one, other in zip(case.sentences, together, turned, strict=True):
        (alone,) = gradients(asked, [sentence])
        for found in (one, other):
            assert found.scores == pytest.approx(alone.scores, rel=0, abs=1e-10)
            if alone.integral:
                assert integral_of(found).points == alone.integral.points


@pytest.mark.parametrize(("kind", "tolerance"), [("bert", 1e-4), ("gpt2", 1e-2)])
def test_a_sentence_has_as_many_points_as_patterns_of_it(
    kind: str, tolerance: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, options = case_of(kind, tmp_path / "model", monkeypatch), Options(tolerance=tolerance)
    run = extract(case.model, sentences(*KINDS[kind]), runs_dir=tmp_path, tolerance=tolerance)
    by_text = {
        instance.text: prediction
        for instance, prediction in zip(run.records("instances"), run.records("predictions"), strict=True)
    }
    found = gradients(case.asked("integrated_gradients_l2", options), case.sentences)
    for sentence, one in zip(case.sentences, found, strict=True):
        prediction, integral = by_text[sentence.instance.text], integral_of(one)
        assert (integral.points, integral.is_settled) == (prediction.points, prediction.is_settled)
        assert integral.completeness_error == pytest.approx(prediction.completeness_error, abs=1e-10)
    assert len({integral_of(one).points for one in found}) > 1


def test_a_fixed_number_of_points_is_neither_settled_nor_not(bert: Case) -> None:
    (one, *_) = gradients(bert.asked("integrated_gradients"), bert.sentences)
    assert (integral_of(one).points, integral_of(one).is_settled) == (POINTS, None)


@pytest.mark.parametrize("kind", ["bert", "classifier"])
def test_little_memory_for_a_vocabulary_changes_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(kind, tmp_path, monkeypatch)
    asked = case.asked("integrated_gradients", is_probability=True)
    expected = gradients(asked, case.sentences)
    monkeypatch.setattr(tracing, "_LOGITS", 1)
    for one, other in zip(gradients(asked, case.sentences), expected, strict=True):
        assert one.scores == pytest.approx(other.scores, rel=0, abs=1e-12)


def test_some_sentences_of_a_trace_have_its_gradients(bert: Case) -> None:
    asked = bert.asked("saliency")
    with torch.no_grad():
        whole = trace_of(bert.model, bert.sentences, asked.sampling.paths[0], asked.baseline, at="input")
        some = whole.select(torch.tensor([2, 0]))
    assert torch.equal(some.gradient(), whole.gradient()[[2, 0]])
    assert torch.equal(some.words, whole.words[[2, 0]])


def test_no_trace_is_left_when_the_next_batch_is_planned(bert: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    alive, traces, plan = [], weakref.WeakSet[Trace](), memory.plan

    def traced(*args: object, **options: object) -> Trace:
        made = Trace(*args, **options)  # type: ignore[arg-type]
        traces.add(made)
        return made

    def one_at_a_time(*args: object, **options: object) -> memory.Plan:
        alive.append(len(traces))
        return replace(plan(*args, **options), sentences=1)  # type: ignore[arg-type]

    monkeypatch.setattr(tracing, "Trace", traced)
    monkeypatch.setattr(memory, "plan", one_at_a_time)
    gradients(bert.asked("integrated_gradients", Options(tolerance=1e-4)), bert.sentences)
    assert len(alive) > 2 * len(bert.sentences)
    assert not any(alive)


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients"])
def test_a_model_that_gives_nan_is_an_error(bert: Case, method: str) -> None:
    word = bert.model.tokenizer.convert_tokens_to_ids("tall")
    bert.model.adapter.words[word] = torch.nan
    with pytest.raises(IpgraphError, match=r"NaN or infinite values for instance .*'a farmer"):
        gradients(bert.asked(method), bert.sentences)


def test_one_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of("gpt2", tmp_path, monkeypatch)
    whole = case.sentences[0]
    alone = replace(whole, ids=whole.ids[:1], types=whole.types[:1], target=0)
    for method, expected in EXPECTED.items():
        asked = case.asked(method)
        (found,) = gradients(asked, [alone])
        assert found.scores == pytest.approx(expected(line_of(asked, alone)).numpy(), rel=0, abs=1e-9)
