"""The shipped demo models: size, shape, offline tokenizer, and the accuracy their cards state."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.comparison import assert_same, batch_of, fast, integration_path_of
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from ipgraph.extractor.datasets import load
from ipgraph.extractor.demo import AGREEMENT, GPT2, MODERNBERT, SENTIMENT, train
from ipgraph.extractor.demo.recipes import RECIPES
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.files import DEMOS
from ipgraph.extractor.models.loading import load_model
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.schema.records import Instance

CLASSES = {
    AGREEMENT: AutoModelForMaskedLM,
    SENTIMENT: AutoModelForSequenceClassification,
    GPT2: AutoModelForCausalLM,
    MODERNBERT: AutoModelForMaskedLM,
}
MODELS = [pytest.param(folder, id=folder.name) for folder in CLASSES]
SUBTASKS = {
    folder: ["sentiment"]
    if folder == SENTIMENT
    else ["sva-obj", "sva-subj", "sva-wsc", "sva-app", "ra-na", "ra-ga"]
    for folder in CLASSES
}


def test_every_demo_model_has_a_folder_and_a_recipe() -> None:
    assert {AGREEMENT.parent / name for name in DEMOS.values()} == set(CLASSES)
    assert list(RECIPES) == list(DEMOS.values())


def card(folder: Path) -> dict[tuple[str, str], str]:
    """Return the accuracies that the card's table states, by subtask and condition."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w-]+) \| (\w+) \| ([\d.]+) \|$", text, re.MULTILINE)
    return {(subtask, condition): stated for subtask, condition, stated in rows}


@pytest.mark.parametrize("folder", MODELS)
def test_the_weights_are_small_and_float16(folder: Path) -> None:
    weights = folder / "model.safetensors"
    assert weights.stat().st_size <= 4_000_000
    assert {tensor.dtype for tensor in load_file(weights).values()} == {torch.float16}
    config = AutoConfig.from_pretrained(folder)
    assert (config.num_hidden_layers, config.num_attention_heads) == (6, 8)
    assert {p.name for p in folder.iterdir()} - {"generation_config.json"} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


@pytest.mark.parametrize("folder", MODELS)
def test_every_word_is_one_piece_offline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for name in SUBTASKS[folder]:
        for instance in (e.instance for e in load(name, limit=200).examples):
            text = instance.text
            expected = ["[CLS]", *text.split(), "[SEP]"]
            if folder == GPT2:  # the words that it is trained on: no [MASK]
                text = text.replace("[MASK]", instance.correct)
                expected = ["[BOS]", *text.split()]
            ids = tokenizer(text)["input_ids"]
            assert tokenizer.convert_ids_to_tokens(ids) == expected
            assert tokenizer.unk_token_id not in ids
            if instance.correct:
                forms = tokenizer.convert_tokens_to_ids([instance.correct, instance.wrong])
                assert tokenizer.unk_token_id not in forms


@pytest.mark.parametrize("folder", MODELS)
def test_the_card_states_at_least_95_percent_and_the_weights_reach_what_it_states(folder: Path) -> None:
    model = CLASSES[folder].from_pretrained(folder, dtype=torch.float32, use_safetensors=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    stated = card(folder)
    reached = {}
    for name in SUBTASKS[folder]:
        instances = [e.instance for e in load(name).examples]
        for condition in dict.fromkeys(i.condition for i in instances):
            group = [i for i in instances if i.condition == condition]
            reached[name, condition] = f"{right(model, tokenizer, group) / len(group):.3f}"
    assert stated == reached
    assert len(stated) == 4 * len(SUBTASKS[folder])
    assert min(float(accuracy) for accuracy in stated.values()) >= 0.95


def test_the_decoder_learned_where_sentences_end() -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(GPT2), AutoTokenizer.from_pretrained(GPT2)
    begun = tokenizer("the doctors that the judge fears", return_tensors="pt")
    written = tokenizer.decode(model.generate(**begun, do_sample=False, max_new_tokens=20)[0])
    assert written.startswith("[BOS] the doctors that the judge fears ")
    assert written.endswith(" . [EOS]")


def test_the_decoders_patterns_are_what_the_definition_says() -> None:
    model = load_model("demo-gpt2", device="cpu", dtype="float64")
    ids = model.tokenizer("the judge that the doctors fear")["input_ids"]
    correct, wrong = model.tokenizer.convert_tokens_to_ids(["is", "are"])
    baseline = model.adapter.words.mean(0)
    asked = oracle.Question(tuple(ids), len(ids) - 1, correct, wrong, baseline, *oracle.uniform(4))
    expected = oracle.gpr(model.module, asked, sees=lambda _, destination, source: source <= destination)
    path = integration_path_of("uniform", 4, baseline)
    with torch.no_grad():
        (found,) = fast(Trace(model.adapter, batch_of([asked]), path, baseline, keep=True))
    assert_same(found, expected, 1e-9)


def test_the_windows_of_modernbert_are_shorter_than_the_way_to_the_subject() -> None:
    """Layers 1 and 4 alone see from one end of a sentence to the other, by the attentions themselves."""
    tokenizer = AutoTokenizer.from_pretrained(MODERNBERT)
    model = AutoModelForMaskedLM.from_pretrained(MODERNBERT, attn_implementation="eager")
    inputs = tokenizer("the judge that the doctor fears [MASK] short .", return_tensors="pt")
    with torch.no_grad():
        attentions = model(**inputs, output_attentions=True).attentions
    subject, target = 2, 7
    assert [bool((a[0, :, target, subject] > 0).all()) for a in attentions] == [True, False, False] * 2
    assert all(bool((a[0, :, target, target - 4] > 0).all()) for a in attentions)


@pytest.mark.parametrize("name", ["sentiment", "gpt2"])
def test_training_twice_gives_the_same_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "REQUIRED", 0.0)
    short = replace(RECIPES[name], steps=3, warmup=1)
    for run in ("first", "second"):
        train.train(short, tmp_path / run)
    files = sorted(p.name for p in (tmp_path / "first").iterdir())
    assert files == sorted(p.name for p in (AGREEMENT.parent / name).iterdir())
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_a_model_that_is_not_good_enough_is_not_written(tmp_path: Path) -> None:
    short = replace(RECIPES["sentiment"], steps=1)
    with pytest.raises(
        IpgraphError, match=r"sentiment is below 0.95 on sentiment .* 0\.\d+: nothing written"
    ):
        train.train(short, tmp_path / "poor")
    assert not (tmp_path / "poor").exists()


def right(model: Any, tokenizer: Any, instances: list[Instance]) -> int:
    """Return how many instances the Hugging Face model gets right."""
    if tokenizer.mask_token is None:
        return sum(is_right_next(model, tokenizer, i) for i in instances)
    inputs = tokenizer([i.text for i in instances], padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
    if instances[0].label >= 0:
        return sum(int(row.argmax()) == i.label for row, i in zip(logits, instances, strict=True))
    words = tokenizer.get_vocab()
    at_mask = logits[inputs["input_ids"] == tokenizer.mask_token_id]
    return sum(
        bool(row[words[i.correct]] > row[words[i.wrong]]) for row, i in zip(at_mask, instances, strict=True)
    )


def is_right_next(model: Any, tokenizer: Any, instance: Instance) -> bool:
    """Return whether a causal model finds the sentence with the correct form likelier as far as that form."""
    before, _, _ = instance.text.partition("[MASK]")
    texts = [before + instance.correct, before + instance.wrong]
    inputs = tokenizer(texts, return_tensors="pt")
    with torch.no_grad():
        scores = model(**inputs).logits[:, :-1].log_softmax(-1)
    likelihoods = scores.gather(-1, inputs["input_ids"][:, 1:, None]).sum((1, 2))
    return bool(likelihoods[0] > likelihoods[1])
