"""Two sentences go to the model as transformers would send them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.tiny_models import save_classifier

from ipgraph.extractor.datasets import Dataset, Example, make_instance
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models.encoding import encode
from ipgraph.extractor.models.loading import LoadedModel, load_model


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = save_classifier(tmp_path_factory.mktemp("pairs"), classes=3)
    return load_model(folder, dtype="float64", device="cpu")


def pair(text: str, second: str, roles: tuple[str, ...] = ()) -> Example:
    return Example(make_instance("mine", text, second=second, label=1), roles, "mine:1")


PAIRS = [
    pair("the farmers like a film .", "a good film ."),
    pair("not bad", "films"),
    Example(make_instance("mine", "the film is good .", label=0)),
]


def test_ids_types_words_and_roles_run_on_through_the_second_sentence(classifier: LoadedModel) -> None:
    roles = ("negation", "adjective", "subject", "punct")
    (found,), skipped = encode(classifier, [pair("not bad", "films .", roles)])
    assert not skipped
    given = classifier.tokenizer("not bad", "films .")
    assert (found.ids, found.types) == (given["input_ids"], given["token_type_ids"])
    assert found.types == [0, 0, 0, 0, 1, 1, 1, 1]
    assert found.tokens == ["[CLS]", "not", "bad", "[SEP]", "film", "##s", ".", "[SEP]"]
    assert found.words == ["[CLS]", "not", "bad", "[SEP]", "films", "films", ".", "[SEP]"]
    assert found.word_indices == [-1, 0, 1, -1, 2, 2, 3, -1]
    assert found.roles == ["cls", "negation", "adjective", "sep", "subject", "subject", "punct", "sep"]


def test_the_logits_are_those_of_transformers_whatever_the_batch(
    classifier: LoadedModel, tmp_path: Path
) -> None:
    run = extract(classifier, Dataset("mine", PAIRS), runs_dir=tmp_path, n_steps=5)
    for prediction, example in zip(run.records("predictions"), PAIRS, strict=True):
        texts = [text for text in (example.instance.text, example.instance.second) if text]
        with torch.no_grad():
            (logits,) = classifier.module(**classifier.tokenizer(*texts, return_tensors="pt")).logits.tolist()
        label = example.instance.label
        best = max(value for index, value in enumerate(logits) if index != label)
        assert prediction.qoi == pytest.approx(logits[label] - best, abs=1e-12)


def test_a_pair_is_another_instance_than_its_first_sentence(classifier: LoadedModel, tmp_path: Path) -> None:
    ids = {make_instance("mine", "not bad", second=second).id for second in ("", "films", "a film")}
    assert len(ids) == 3
    runs = {
        extract(classifier, Dataset("mine", [example]), runs_dir=tmp_path, n_steps=5).id
        for example in (PAIRS[1], replace(PAIRS[1], instance=replace(PAIRS[1].instance, second="")))
    }
    assert len(runs) == 2


def test_a_model_of_one_token_type_has_no_pairs(tmp_path: Path) -> None:
    model = load_model(save_classifier(tmp_path, type_vocab_size=1), device="cpu")
    found, (skipped,) = encode(model, PAIRS[1:])
    assert len(found) == 1
    assert "1 token type; a pair needs 2" in skipped.reason
