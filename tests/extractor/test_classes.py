"""Classes by name, one logit as the quantity of interest, and outputs that are not exclusive classes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_models import save_classifier
from support.zeroed import ablated

from ipgraph.extractor.datasets import Dataset, Example, make_instance
from ipgraph.extractor.evaluation.evaluate import evaluate
from ipgraph.extractor.evaluation.instances import read
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.extractor.models.oracle import Question
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.measures import MeasureKey
from ipgraph.graphstore.schema.records import Prediction

TEXTS = [
    *("the film is not bad .", "a good film .", "the old farmer likes the film .", "a bad film ."),
    *("the tall farmers like a film .", "not good , not bad .", "the film , old .", "the farmers are good ."),
]
NAMES = ("joy", "Anger", "fear", "LABEL_3")


def classifier(folder: Path, names: tuple[str, ...] = NAMES, **config: Any) -> LoadedModel:
    config |= {"id2label": dict(enumerate(names)), "label2id": {name: n for n, name in enumerate(names)}}
    return load_model(save_classifier(folder, len(names), **config), dtype="float64", device="cpu")


def dataset(**labels: list[Any]) -> Dataset:
    columns: list[dict[str, Any]] = [{} for _ in TEXTS]
    for name, values in labels.items():
        for column, value in zip(columns, values, strict=False):
            column[name] = value
    pairs = zip(TEXTS, columns, strict=True)
    return Dataset("t", [Example(make_instance("t", text, **column), (), text) for text, column in pairs])


def logits_of(model: LoadedModel, text: str) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model.module(**model.tokenizer(text, return_tensors="pt")).logits[0]
    return logits


def predictions(run: RunDirectory) -> list[Prediction]:
    return list(run.records("predictions"))


def test_the_logit_of_a_class_is_the_models_and_right_is_still_the_label(tmp_path: Path) -> None:
    model = classifier(tmp_path / "model")
    labels = [n % 4 for n in range(len(TEXTS))]
    for asked in ("logit:Anger", "logit:anger", "logit:1"):
        run = extract(model, dataset(label=labels), runs_dir=tmp_path, qoi=asked, n_steps=24)
        assert (run.run.qoi, run.run.classes) == ("logit:Anger", list(NAMES))
    for text, label, found in zip(TEXTS, labels, predictions(run), strict=True):
        logits = logits_of(model, text)
        assert found.qoi == pytest.approx(logits[1].item(), abs=1e-12)
        assert (found.toward, found.against, found.label) == ("Anger", "", label)
        assert found.is_correct == (logits.argmax().item() == label)
        assert not found.label_is_predicted
    assert 0 < (run.run.accuracy or 0) < 1
    with pytest.raises(UsageError, match=r"unknown class 'angry' of model .*nearest first: Anger"):
        extract(model, dataset(), runs_dir=tmp_path, qoi="logit:angry")
    with pytest.raises(UsageError, match="needs a classifier"):
        extract("demo", "sva-obj", runs_dir=tmp_path, qoi="logit:1", limit=1)


def test_labels_given_as_text_are_the_models_classes(tmp_path: Path) -> None:
    model = classifier(tmp_path / "model")
    given = ["joy", "JOY", "anger", "fear", "label_3", "sadness", "Fear", "Anger"]
    run = extract(model, dataset(label_name=given), runs_dir=tmp_path, n_steps=4)
    assert [p.label for p in predictions(run)] == [0, 0, 1, 2, 3, 2, 1]
    (skipped,) = run.manifest["skipped"]
    assert skipped["where"] == TEXTS[5]
    assert "unknown label 'sadness'" in skipped["reason"]
    assert all(name in skipped["reason"] for name in NAMES)


def test_names_that_several_classes_share_need_a_number(tmp_path: Path) -> None:
    model = classifier(tmp_path / "model", ("same", "same", "Other", "other"))
    with pytest.raises(UsageError, match="'same' is the name of classes 0 and 1"):
        extract(model, dataset(), runs_dir=tmp_path, qoi="logit:same")
    assert extract(model, dataset(), runs_dir=tmp_path, qoi="logit:1", n_steps=4).run.qoi == "logit:1"
    assert extract(model, dataset(), runs_dir=tmp_path, qoi="logit:3", n_steps=4).run.qoi == "logit:other"


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (("POSITIVE", "NEGATIVE"), (0, 1)),
        (("neg", "pos"), (1, 0)),
        (("LABEL_0", "LABEL_1"), (1, 0)),
        (("unacceptable", "acceptable"), (1, 0)),
        (("Negative", "neutral", "Positive"), (2, 0)),
    ],
)
def test_positive_negative_follows_the_names(
    tmp_path: Path, names: tuple[str, ...], pair: tuple[int, int]
) -> None:
    model = classifier(tmp_path / "model", names)
    labels = [n % len(names) for n in range(6)]  # two sentences have none
    run = extract(model, dataset(label=labels), runs_dir=tmp_path, qoi="positive-negative", n_steps=4)
    for text, label, found in zip(TEXTS, [*labels, -1, -1], predictions(run), strict=True):
        logits = logits_of(model, text)
        assert found.qoi == pytest.approx((logits[pair[0]] - logits[pair[1]]).item(), abs=1e-12)
        assert (found.toward, found.against) == (names[pair[0]], names[pair[1]])
        largest = int(logits.argmax())
        assert (found.label, found.is_correct) == (
            (label, label == largest) if label >= 0 else (largest, True)
        )


def test_positive_negative_needs_two_poles(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one class called positive and one"):
        extract(classifier(tmp_path / "m"), dataset(), runs_dir=tmp_path, qoi="positive-negative")


@pytest.mark.parametrize(
    ("names", "config"),
    [
        (("toxic", "rude", "mild"), {"problem_type": "multi_label_classification"}),
        (("score",), {}),
        (("valence", "arousal"), {"problem_type": "regression"}),
    ],
)
def test_outputs_that_do_not_exclude_each_other_are_read_one_at_a_time(
    tmp_path: Path, names: tuple[str, ...], config: dict[str, Any]
) -> None:
    model = classifier(tmp_path / "model", names, **config)
    for qoi in ("correct-wrong", "positive-negative"):
        with pytest.raises(UsageError, match=f"outputs of model .* do not .*such as 'logit:{names[0]}'"):
            extract(model, dataset(label=[0] * 8), runs_dir=tmp_path, qoi=qoi)
    run = extract(model, dataset(label=[0] * 8), runs_dir=tmp_path, qoi="logit:0", n_steps=4)
    for text, found in zip(TEXTS, predictions(run), strict=True):
        assert found.qoi == pytest.approx(logits_of(model, text)[0].item(), abs=1e-12)
        assert (found.toward, found.against, found.label) == (names[0], "", -1)
    assert run.run.accuracy is None
    if "multi" in config.get("problem_type", ""):
        # Right is what falls on the side of 0 that the whole model is on.
        measures = {MeasureKey.of(m): m.value for m in evaluate(run, model=model, draws=2, resamples=10)}
        assert measures[MeasureKey("ablated_accuracy", "original", "")] == 1
    else:
        with pytest.raises(UsageError, match="reads a number that model"):
            evaluate(run, model=model)


@pytest.mark.parametrize("qoi", ["correct-wrong", "logit:joy"])
def test_an_ablated_prediction_is_right_if_the_label_has_the_largest_logit(tmp_path: Path, qoi: str) -> None:
    """Against a plain forward pass with zeroed nodes; one rival alone calls more of them right."""
    model = classifier(tmp_path / "model", hidden_size=32, initializer_range=0.8)
    pairs = [(text, label) for text in TEXTS for label in range(4)]
    examples = [Example(make_instance("t", text, label=label)) for text, label in pairs]
    run = extract(model, Dataset("t", examples), runs_dir=tmp_path, n_steps=4, qoi=qoi, level="embedding")
    measures = {
        MeasureKey.of(m): m.value
        for m in evaluate(run, model=model, draws=2, resamples=10, methods=("attention",))
    }
    right, beats_one_rival = [], []
    for patterns, (_, label) in zip(read(run, model), pairs, strict=True):
        ids = patterns.encoded.ids
        kept = torch.zeros(4, len(ids), dtype=torch.bool)
        for path in patterns.positions[patterns.positive]:
            kept[range(4), path] = True
        scores = _all_logits(model, ids, kept)
        original = logits_of(model, patterns.encoded.instance.text)
        rival = max((c for c in range(4) if c != label), key=lambda c: original[c].item())
        right.append(all(scores[label] > scores[c] for c in range(4) if c != label))  # a tie is not right
        beats_one_rival.append(scores[label] > scores[rival])
    key = MeasureKey("ablated_accuracy", "gpr", "embedding", target="dropped")
    assert measures[key] == pytest.approx(sum(right) / len(right), abs=1e-12)
    assert sum(beats_one_rival) > sum(right)


def _all_logits(model: LoadedModel, ids: list[int], kept: torch.Tensor) -> list[float]:
    """Return each class's logit above that of class 0, of the Hugging Face model with nodes zeroed."""
    unused = torch.empty(0)
    return [
        ablated(model.module, Question(tuple(ids), 0, c, 0, unused, unused, unused), kept, None)
        for c in range(len(NAMES))
    ]
