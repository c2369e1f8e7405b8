"""How an evaluation runs: in batches, kept with its run, at one level, for classifiers; what it refuses."""

import weakref
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from support.evaluations import OPTIONS, Evaluated, by_key, make_run
from support.tiny_models import save_classifier, save_masked_lm

from ipgraph.extractor.datasets import Dataset, Example, make_instance
from ipgraph.extractor.evaluation.estimates import Collected, estimate
from ipgraph.extractor.evaluation.evaluate import evaluate
from ipgraph.extractor.evaluation.instances import batches, read
from ipgraph.extractor.evaluation.searches.figures import Searches, add_several
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.extraction.job import Job
from ipgraph.extractor.models.loading import load_model
from ipgraph.extractor.tracing.memory import Plan, plan
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.bootstrap import Bootstrap
from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.measures import MeasureKey


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
            resamples=20,
            on_progress=lambda *at: done.append(at),
        )
    )
    assert done[-1] == (10, 10)
    for level in ("embedding", "attention"):
        exhaustive = MeasureKey("greedy_missed", "gpr", level, search="exhaustive")
        missed = found[exhaustive]
        assert missed.count == 4
        assert 0 <= found[exhaustive._replace(search="beam", beam=2)].value <= missed.value <= 1
        assert 0 < found[exhaustive._replace(metric="greedy_share_of_best")].value <= 1
        beats = MeasureKey("beats_random", "gpr", level, search="random")
        assert 0 <= found[beats].value <= 1
        assert {found[beats].draws, found[beats._replace(metric="z_over_random")].draws} == {3}
        for metric in ("concentration_positive", "concentration_negative"):
            key = MeasureKey(metric, "gpr", level)
            assert found[key._replace(k=2)].value != pytest.approx(found[key].value)
        for metric in ("ablated_accuracy", "nodes_kept"):
            assert MeasureKey(metric, "gpr", level, target="kept", k=2) in found


def test_a_set_of_one_node_per_layer_is_the_pattern(evaluated: Evaluated) -> None:
    """What several nodes per layer are measured by, asked for one, gives the measures of the patterns."""
    instances = read(evaluated.run, evaluated.model)
    options = Job.read(evaluated.run).options
    collected = Collected(len(instances))
    with torch.no_grad():
        for batch in batches(instances, evaluated.model, options, None):
            add_several(collected, batch, range(1, 2))
    measures = by_key(estimate("r1", collected, {"": np.arange(len(instances))}, Bootstrap(resamples=5)))
    assert len(measures) == 12
    for key, measure in measures.items():
        assert measure.value == pytest.approx(evaluated.measures[key].value)


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

    monkeypatch.setattr("ipgraph.extractor.tracing.trace.Trace", trace)
    monkeypatch.setattr("ipgraph.extractor.tracing.memory.plan", counted_plan)
    evaluate(evaluated.run, model=evaluated.model, draws=2, resamples=2, batch_size=1)
    assert alive == [0] * 12  # twice per batch, before its trace


def test_a_classifier_and_its_predicted_labels(tmp_path: Path) -> None:
    model = load_model(save_classifier(tmp_path / "model"), dtype="float64", device="cpu")
    texts = ["the film is good .", "the film is not good .", "a bad film .", "the farmer likes a film ."]
    labels = (1, 0, 0, -1)
    dataset = Dataset(
        "s", [Example(make_instance("s", t, label=n)) for t, n in zip(texts, labels, strict=True)]
    )
    for qoi in ("correct-wrong", "positive-negative"):
        run = extract(model, dataset, runs_dir=tmp_path / "runs", n_steps=4, qoi=qoi)
        found = by_key(evaluate(run, model=model, draws=3, resamples=20))
        correct = fmean(e.is_correct for e in run.records("predictions"))
        assert found[MeasureKey("ablated_accuracy", "original", "")].value == pytest.approx(correct)
        assert MeasureKey("alignment", "gpr", "attention") in found


def test_a_run_of_one_level_is_measured_at_that_level(evaluated: Evaluated, tmp_path: Path) -> None:
    for level in ("embedding", "attention"):
        run = make_run(evaluated.model, tmp_path, level=level)
        found = by_key(evaluate(run, model=evaluated.model, draws=2, resamples=10))
        assert {key.level for key in found if key[:2] == ("concentration_positive", "gpr")} == {level}
        key = MeasureKey("ablated_accuracy", "gpr", level, target="kept")
        assert found[key].value == evaluated.measures[key].value


def test_what_cannot_be_evaluated_is_said(evaluated: Evaluated, tmp_path: Path) -> None:
    run = make_run(evaluated.model, tmp_path, method="attention", level="embedding")
    with pytest.raises(UsageError, match="'attention'; evaluate starts from a run of 'gpr'"):
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
            evaluate(evaluated.run, model=evaluated.model, draws=2, resamples=2)
    finally:
        weight.copy_(kept)
