"""How an evaluation runs: in batches, kept with its run, at one level, for classifiers; what it refuses."""

import weakref
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from support.evaluations import OPTIONS, Evaluated, by_key, make_run
from support.tiny_models import save_classifier, save_masked_lm

from ipgraph.extractor.datasets import Dataset, Example, make_instance
from ipgraph.extractor.evaluation.evaluate import evaluate
from ipgraph.extractor.evaluation.searches.figures import Searches
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models.loading import load_model
from ipgraph.extractor.tracing.memory import Plan, plan
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.runs.directory import RunDirectory


def test_a_batch_gives_what_single_sentences_give(evaluated: Evaluated) -> None:
    again = by_key(evaluate(evaluated.run, model=evaluated.model, batch_size=1, **OPTIONS))
    assert again.keys() == evaluated.measures.keys()
    for key, measure in again.items():
        expected = evaluated.measures[key]
        for one, other in ((measure.value, expected.value), (measure.low, expected.low)):
            assert one == pytest.approx(other, abs=1e-9)


def test_measures_stay_with_the_run(evaluated: Evaluated) -> None:
    kept = by_key(RunDirectory.open(evaluated.run.path).measures())
    assert kept.keys() == evaluated.measures.keys()
    assert {m.seed for m in kept.values()} == {0}
    assert all(m.low <= m.high for m in kept.values())
    assert all(np.isfinite([m.value, m.low, m.high]).all() for m in kept.values())


def test_searches_and_several_nodes(evaluated: Evaluated) -> None:
    searches = Searches(nodes_per_layer=2, beam=2, exhaustive=True, random_patterns=3, instances=4)
    done: list[tuple[int, int]] = []
    found = by_key(
        evaluate(
            evaluated.run,
            model=evaluated.model,
            searches=searches,
            methods=(),
            repeats=20,
            on_progress=lambda *at: done.append(at),
        )
    )
    assert done[-1] == (10, 10)
    for level in ("embedding", "attention"):
        missed = found["greedy_missed", "gpr", level, "", "exhaustive"]
        assert missed.count == 4
        assert 0 <= found["greedy_missed", "gpr", level, "", "beam=2"].value <= missed.value <= 1
        assert 0 < found["greedy_share_of_best", "gpr", level, "", "exhaustive"].value <= 1
        assert 0 <= found["beats_random", "gpr", level, "", "draws=3"].value <= 1
        assert ("z_over_random", "gpr", level, "", "draws=3") in found
        for metric in ("concentration_positive", "concentration_negative"):
            one = found[metric, "gpr", level, "", "k=1"].value
            assert one == pytest.approx(found[metric, "gpr", level, "", ""].value)
            assert found[metric, "gpr", level, "", "k=2"].value != pytest.approx(one)
        for metric in ("ablated_accuracy", "nodes_kept"):
            assert (
                found[metric, "gpr", level, "", "target=kept k=1"].value
                == found[metric, "gpr", level, "", "target=kept"].value
            )


def test_a_search_of_too_many_paths_is_refused_before_the_work(
    evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipgraph.extractor.evaluation.searches.wider.MOST_PATHS", 10)
    began: list[tuple[int, int]] = []
    with pytest.raises(UsageError, match="an exhaustive search would look at"):
        evaluate(
            evaluated.run,
            model=evaluated.model,
            searches=Searches(exhaustive=True),
            on_progress=lambda *at: began.append(at),
        )
    assert not began


def test_one_batchs_trace_is_gone_when_the_next_one_is_planned(
    evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[int] = []
    traces: weakref.WeakSet[Trace] = weakref.WeakSet()

    def trace(*args: Any, **options: Any) -> Trace:
        made = Trace(*args, **options)
        traces.add(made)
        return made

    def counted_plan(*args: Any, **options: Any) -> Plan:
        alive.append(len(traces))
        return plan(*args, **options)

    monkeypatch.setattr("ipgraph.extractor.evaluation.instances.Trace", trace)
    monkeypatch.setattr("ipgraph.extractor.evaluation.instances.plan", counted_plan)
    evaluate(evaluated.run, model=evaluated.model, draws=2, repeats=2, batch_size=1)
    assert alive == [0] * 6


def test_a_classifier_and_its_predicted_labels(tmp_path: Path) -> None:
    model = load_model(save_classifier(tmp_path / "model"), dtype="float64", device="cpu")
    texts = ["the film is good .", "the film is not good .", "a bad film .", "the farmer likes a film ."]
    labels = (1, 0, 0, -1)
    dataset = Dataset(
        "s", [Example(make_instance("s", t, label=n)) for t, n in zip(texts, labels, strict=True)]
    )
    for qoi in ("correct-wrong", "positive-negative"):
        run = extract(model, dataset, runs_dir=tmp_path / "runs", n_steps=4, qoi=qoi)
        found = by_key(evaluate(run, model=model, draws=3, repeats=20))
        correct = fmean(e.is_correct for e in run.records("predictions"))
        assert found["ablated_accuracy", "original", "", "", ""].value == pytest.approx(correct)
        assert ("alignment", "gpr", "attention", "", "") in found


def test_a_run_of_one_level_is_measured_at_that_level(evaluated: Evaluated, tmp_path: Path) -> None:
    for level in ("embedding", "attention"):
        run = make_run(evaluated.model, tmp_path, level=level)
        found = by_key(evaluate(run, model=evaluated.model, draws=2, repeats=10))
        assert {key[2] for key in found if key[:2] == ("concentration_positive", "gpr")} == {level}
        key = ("ablated_accuracy", "gpr", level, "", "target=kept")
        assert found[key].value == evaluated.measures[key].value


def test_what_cannot_be_evaluated_is_said(evaluated: Evaluated, tmp_path: Path) -> None:
    run = make_run(evaluated.model, tmp_path, method="attention", level="embedding")
    with pytest.raises(UsageError, match="'attention'; evaluate starts from one of 'gpr'"):
        evaluate(run)
    with pytest.raises(UsageError, match="unknown method 'atention'; valid, nearest first: attention"):
        evaluate(evaluated.run, methods=("atention",))
    with pytest.raises(UsageError, match="at least 2"):
        evaluate(evaluated.run, draws=1)
    other = load_model(save_masked_lm(tmp_path / "other", hidden_size=8), dtype="float64", device="cpu")
    with pytest.raises(UsageError, match=r"was made with model model-\w+, and this is other-\w+"):
        evaluate(evaluated.run, model=other)


def test_a_run_whose_numbers_are_not_the_models_is_refused(evaluated: Evaluated) -> None:
    module = evaluated.model.module
    weight = module.bert.encoder.layer[0].output.dense.weight
    kept = weight.clone()
    try:
        weight.mul_(1.5)
        with pytest.raises(IpgraphError, match=r"stored .* they are not of the same model"):
            evaluate(evaluated.run, model=evaluated.model, draws=2, repeats=2)
    finally:
        weight.copy_(kept)
