"""Patterns as a run directory holds them, and those of trained models, against the oracle."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.comparison import PAD_ID, POINTS, assert_same, baseline_of, fast, hop_runners_up, trace_of
from support.requirements import shared
from support.tiny_models import save_classifier, save_masked_lm
from torch import Tensor
from transformers import BertForMaskedLM, BertForSequenceClassification, BertTokenizer

from ipgraph.extractor.datasets import Dataset, Example, load, make_instance
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.encoding import encode
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.extractor.models.oracle import SKIP, Guided, Question
from ipgraph.extractor.tracing.batch import pad
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.labels import parse_label
from ipgraph.graphstore.schema.records import Instance


def stored(run: RunDirectory) -> dict[str, list[Guided]]:
    """Return a run's patterns by instance, read back from its tables and node labels."""
    steps: dict[str, list[Any]] = {}
    for step in run.records("steps"):
        steps.setdefault(step.pattern, []).append(step)
    patterns = {(p.instance, p.position, p.level): p for p in run.records("patterns")}
    found: dict[str, list[Guided]] = {}
    for (instance, position, level), pattern in patterns.items():
        if level == "attention":
            continue
        finer = patterns[instance, position, "attention"]
        whole, fine = ([parse_label(x) for x in p.route.split()] for p in (pattern, finer))
        assert [kind for kind, *_ in whole] == ["input"] + ["embedding"] * (len(whole) - 1)
        assert fine[0::2] == whole
        assert [layer for _, layer, *_ in fine] == [(step + 1) // 2 for step in range(len(fine))]
        assert all(one[2] == other[2] for one, other in zip(fine[1::2], fine[2::2], strict=True))
        rough, exact = (sorted(steps[p.id], key=lambda s: s.step) for p in (pattern, finer))
        assert (pattern.influence, finer.influence) == (rough[-1].influence, exact[-1].influence)
        assert [s.node for s in exact] == finer.path
        found.setdefault(instance, []).append(
            Guided(
                position,
                pattern.sign,
                tuple(node.position for node in whole[1:]),
                tuple(s.influence for s in rough),
                tuple(s.margin for s in rough),
                tuple(s.runner_up for s in rough),
                tuple(SKIP if node.kind == "skip" else node.head - 1 for node in fine[1::2]),
                (exact[0].influence, *(s.influence for s in exact[1::2])),
                (exact[0].margin, *(s.margin for s in exact[1::2])),
                hop_runners_up([exact[0].runner_up, *(s.runner_up for s in exact[1::2])]),
            )
        )
    return found


@pytest.mark.parametrize(
    ("kind", "baseline", "quadrature"),
    [
        ("masked-lm", "mask", "uniform"),
        ("masked-lm", "pad", "gauss-legendre"),
        ("classifier", "mask", "gauss-legendre"),
        ("classifier", "zero", "uniform"),
    ],
)
def test_a_stored_run_holds_what_the_definition_says(
    kind: str, baseline: str, quadrature: str, tmp_path: Path
) -> None:
    model, folder = saved_model(kind, tmp_path)
    if kind == "masked-lm":
        texts = ["the farmer [MASK] tall .", "a good film that the farmers like [MASK] not bad .", "[MASK] ."]
        instances = [make_instance("t", text, correct="is", wrong="are") for text in texts]
    else:
        labelled = {"the film is not bad .": 2, "a bad film": 0, "good , not old .": -1}
        instances = [make_instance("t", text, label=label) for text, label in labelled.items()]
    run = extract(
        folder,
        Dataset("t", [Example(instance) for instance in instances]),
        runs_dir=tmp_path / "runs",
        n_steps=5,
        baseline=baseline,
        quadrature=quadrature,
        dtype="float64",
    )
    found = stored(run)
    assert len(found) == len(instances)
    for prediction, instance in zip(run.records("predictions"), instances, strict=True):
        points = POINTS[quadrature](5)
        asked = question_of(model, folder, instance, (baseline_of(model, baseline), *points))
        assert prediction.instance == instance.id
        assert_same(found[instance.id], oracle.gpr(model, asked), 1e-11)
        assert prediction.qoi == pytest.approx(oracle.qoi_at(model, asked, 1), abs=1e-12)
        assert prediction.qoi_baseline == pytest.approx(oracle.qoi_at(model, asked, 0), abs=1e-12)
        total = sum(oracle.integrated_gradients(model, asked))
        change = prediction.qoi - prediction.qoi_baseline
        assert prediction.completeness_error == pytest.approx(total - change, abs=1e-11)
        assert prediction.is_correct == (prediction.qoi > 0)
        assert prediction.label_is_predicted == (kind == "classifier" and instance.label < 0)


def saved_model(kind: str, folder: Path) -> tuple[Any, Path]:
    """Return a model in float64 for the oracle, and its folder; its [PAD] is not the zero vector."""
    if kind == "masked-lm":
        save_masked_lm(folder)
        model = BertForMaskedLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    else:
        save_classifier(folder, classes=3)
        model = BertForSequenceClassification.from_pretrained(
            folder, dtype=torch.float64, attn_implementation="eager"
        )
    model = model.eval().requires_grad_(False)
    torch.manual_seed(1)
    model.get_input_embeddings().weight[PAD_ID].normal_()
    model.save_pretrained(folder)
    return model, folder


def question_of(
    model: Any, folder: Path, instance: Instance, line: tuple[Tensor, Tensor, Tensor]
) -> Question:
    """Return a stored instance as the oracle takes it, its ids from the tokenizer on the text itself."""
    tokenizer = BertTokenizer.from_pretrained(folder)
    ids = tuple(tokenizer(instance.text)["input_ids"])
    if instance.correct:
        correct, wrong = tokenizer.convert_tokens_to_ids([instance.correct, instance.wrong])
        return Question(ids, ids.index(tokenizer.mask_token_id), correct, wrong, *line)
    scores = oracle.logits(model, ids)[0].tolist()
    label = instance.label if instance.label >= 0 else scores.index(max(scores))
    other = max((c for c in range(len(scores)) if c != label), key=scores.__getitem__)
    return Question(ids, 0, label, other, *line)


def test_the_demo_models() -> None:
    for name, dataset in (("demo", "sva-obj"), ("demo-sentiment", "sentiment")):
        compare_with_oracle(load_model(name, dtype="float64"), load(dataset, limit=1), 3, words=[2, 5])


@pytest.mark.parametrize(
    ("name", "file"),
    [("bert-tiny-sva", "paper_tasks/sva-obj.jsonl"), ("bert-tiny-sst2", "sst2/validation.parquet")],
)
def test_real_models(name: str, file: str) -> None:
    model = load_model(shared("models", name), dtype="float64")
    compare_with_oracle(model, load(shared("data", *file.split("/")), limit=12), 4)


def compare_with_oracle(
    model: LoadedModel, dataset: Dataset, n_steps: int, words: list[int] | None = None
) -> None:
    """Assert that patterns (of some words) are the oracle's, and the QoI that of the padded model itself."""
    encoded, _ = encode(model, dataset.examples, max_tokens=17)
    assert encoded
    asked = [real_question(model, one, n_steps) for one in encoded]
    trace = trace_of(model.module, asked, n_steps=n_steps)
    for every, one in zip(fast(trace), asked, strict=True):
        found = [guided for guided in every if words is None or guided.word in words]
        assert_same(found, oracle.gpr(model.module, one, words), 1e-11)
    batch = pad(model, encoded)
    given = model.module(input_ids=batch.ids, attention_mask=batch.mask.long()).logits
    for row, one in enumerate(asked):
        assert float(one.qoi(given)[row]) == pytest.approx(float(trace.qoi[row, -1]), abs=1e-9)


def real_question(model: LoadedModel, one: Any, n_steps: int) -> Question:
    correct, wrong = one.qoi_logits
    wrong = 1 - correct if wrong < 0 else wrong
    embedding = model.module.get_input_embeddings().weight[model.tokenizer.mask_token_id]
    return Question(tuple(one.ids), one.target, correct, wrong, embedding, *oracle.uniform(n_steps))
