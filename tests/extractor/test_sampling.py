"""Each sentence gets as many points as its completeness needs, whatever is beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.comparison import questions, trace_of
from support.extractions import sentences
from support.random_models import random_model
from support.requirements import shared
from support.tiny_models import save_masked_lm

from ipgraph.extractor.datasets import Dataset
from ipgraph.extractor.evaluation.evaluate import evaluate
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.extraction.job import Sentences
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.methods.patterns.search import attention_paths, embedding_paths
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.extractor.models.oracle import Question
from ipgraph.extractor.tracing.sampling import LADDER
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.runs.directory import RunDirectory

TEXTS = [
    "the farmer that the farmers like [MASK] old .",
    "a farmer [MASK] tall .",
    "the old farmers [MASK] not good .",
    "the farmer likes a film that [MASK] bad , tall , good .",
    "farmers [MASK] .",
]
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = save_masked_lm(tmp_path_factory.mktemp("models") / "m", initializer_range=0.7)
    return load_model(folder, dtype="float64", device="cpu")


@pytest.fixture(scope="module")
def run(model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return extract(model, sentences(*TEXTS), runs_dir=tmp_path_factory.mktemp("runs"), tolerance=TOLERANCE)


def by_instance(run: RunDirectory, table: str, key: str) -> dict[str, Any]:
    return {getattr(row, key): row for row in run.records(table)}


def test_an_instance_gets_the_first_rung_at_which_autograd_says_that_it_settles(
    model: LoadedModel, run: RunDirectory
) -> None:
    encoded = {sentence.instance.id: sentence for sentence in Sentences(run)}
    used = set()
    for prediction in run.records("predictions"):
        sentence = encoded[prediction.instance]
        errors, limit = [], 0.0
        for points in LADDER:
            nodes = oracle.gauss_legendre(points)
            baseline = model.adapter.words[model.tokenizer.mask_token_id]
            asked = Question(tuple(sentence.ids), sentence.target, *sentence.qoi_logits, baseline, *nodes)
            change = oracle.qoi_at(model.module, asked, 1) - oracle.qoi_at(model.module, asked, 0)
            limit = TOLERANCE * max(abs(change), 0.1)
            errors.append(abs(sum(oracle.integrated_gradients(model.module, asked)) - change))
        first = next((i for i, error in enumerate(errors) if error <= limit), len(LADDER) - 1)
        assert prediction.points == LADDER[first]
        assert prediction.is_settled == (errors[first] <= limit)
        assert abs(prediction.completeness_error) == pytest.approx(errors[first], abs=1e-10)
        used.add(prediction.points)
    assert len(used) > 1
    assert run.run.unsettled == sum(not row.is_settled for row in run.records("predictions"))
    assert (run.run.n_steps, run.run.tolerance) == (0, TOLERANCE)


def test_its_patterns_are_those_of_a_run_with_that_many_points(
    model: LoadedModel, run: RunDirectory, tmp_path: Path
) -> None:
    steps: dict[str, list[Any]] = {}
    for step in run.records("steps"):
        steps.setdefault(step.pattern.partition("/")[2], []).append(step)
    points = {row.instance: row.points for row in run.records("predictions")}
    compared = 0
    for count in set(points.values()):
        fixed = extract(model, sentences(*TEXTS), runs_dir=tmp_path, n_steps=count)
        for step in fixed.records("steps"):
            key = step.pattern.partition("/")[2]
            if points[key.partition("/")[0]] == count:
                other = steps[key][step.step]
                assert other.node == step.node
                assert other.influence == pytest.approx(step.influence, abs=1e-10)
                compared += 1
    assert compared == run.run.steps


def test_neighbours_batches_and_order_change_nothing(
    model: LoadedModel, run: RunDirectory, tmp_path: Path
) -> None:
    expected = by_instance(run, "predictions", "instance")
    alone = [Dataset("mine", [example]) for example in sentences(*TEXTS).examples]
    turned = Dataset("mine", list(reversed(sentences(*TEXTS).examples)))
    for number, dataset in enumerate([*alone, turned]):
        again = extract(model, dataset, runs_dir=tmp_path / str(number), tolerance=TOLERANCE, batch_size=2)
        for prediction in again.records("predictions"):
            same = expected[prediction.instance]
            assert (prediction.points, prediction.is_settled) == (same.points, same.is_settled)
            assert prediction.completeness_error == pytest.approx(same.completeness_error, abs=1e-10)


def test_what_never_settles_uses_the_last_rung_and_is_counted(model: LoadedModel, tmp_path: Path) -> None:
    run = extract(model, sentences(*TEXTS), runs_dir=tmp_path, tolerance=1e-300)
    # Rounding may cancel to an error of exactly 0, which settles whatever the tolerance.
    rows = [row for row in run.records("predictions") if row.completeness_error != 0]
    assert rows
    assert run.run.unsettled == len(rows)
    assert {(row.points, row.is_settled) for row in rows} == {(LADDER[-1], False)}


def test_evaluation_traces_each_instance_with_its_own_points(
    model: LoadedModel, run: RunDirectory, tmp_path: Path
) -> None:
    """Measures of single instances agree with those of runs with a fixed number of points."""
    points = by_instance(run, "predictions", "instance")
    for index, example in enumerate(sentences(*TEXTS).examples[:3]):
        one = Dataset("mine", [example])
        count = points[example.instance.id].points
        auto = extract(model, one, runs_dir=tmp_path / f"a{index}", tolerance=TOLERANCE)
        fixed = extract(model, one, runs_dir=tmp_path / f"f{index}", n_steps=count)
        found, expected = (evaluate(run, model=model, draws=2, resamples=2) for run in (auto, fixed))
        assert [m.metric for m in found] == [m.metric for m in expected]
        assert [m.value for m in found] == pytest.approx([m.value for m in expected], abs=1e-9, nan_ok=True)


def test_some_sentences_of_a_trace_are_a_trace_of_them() -> None:
    model = random_model("masked-lm", 3, 2, 16, seed=1)
    asked = questions(model, "masked-lm", [5, 8, 7], 3)
    whole = trace_of(model, asked, extra=1)
    rows = torch.tensor([0, 2])
    for keep in (True, False):
        whole = trace_of(model, asked, extra=1, keep=keep)
        some = whole.select(rows)
        words = torch.arange(whole.size[2]).expand(3, -1)
        found, expected = embedding_paths(some, words[rows]), embedding_paths(whole, words)
        levels = (found, expected), (attention_paths(some, found), attention_paths(whole, expected))
        for right, left in levels:
            assert torch.equal(left.positions[rows], right.positions)
            torch.testing.assert_close(left.influence[rows], right.influence, atol=1e-12, rtol=0)


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="'uniform' needs a number of points"):
        Options(quadrature="uniform")
    with pytest.raises(UsageError, match=r"tolerance 0\.1 belongs to n_steps 'auto', and n_steps is 50"):
        Options(n_steps=50, tolerance=0.1)
    for tolerance in (0.0, -1.0, 1.0, float("nan")):
        with pytest.raises(UsageError, match="above 0 and below 1"):
            Options(tolerance=tolerance)
    assert Options().tolerance == 0.01
    assert np.isclose(sum(Options(n_steps=7).ladder), 7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dataset"),
    [("demo", "sva-obj"), ("minilm-l6-sva", "sva-wsc.jsonl"), ("minilm-l6-sva", "sva-obj.jsonl")],
)
def test_agreement_sentences_settle_with_few_points_near_the_paths_of_many(
    name: str, dataset: str, tmp_path: Path
) -> None:
    is_demo = name == "demo"
    model = load_model(name if is_demo else shared("models", name), device="cpu")
    data = dataset if is_demo else shared("data", "paper_tasks", dataset)
    few = extract(model, data, runs_dir=tmp_path, limit=40)
    many = extract(model, data, runs_dir=tmp_path, limit=40, n_steps=200)
    assert few.run.unsettled == 0
    exact = {p.id.partition("/")[2]: p.route for p in many.records("patterns")}
    same = [p.route == exact[p.id.partition("/")[2]] for p in few.records("patterns")]
    assert sum(same) / len(same) > 0.97
