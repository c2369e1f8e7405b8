"""The shipped demo models: size, shape, offline tokenizer, and the accuracy their cards state."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from ipgraph.extractor.datasets import load
from ipgraph.extractor.demo import AGREEMENT, SENTIMENT, train
from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.schema.records import Instance

MODELS = [pytest.param(AGREEMENT, id="agreement"), pytest.param(SENTIMENT, id="sentiment")]
CLASSES = {AGREEMENT: AutoModelForMaskedLM, SENTIMENT: AutoModelForSequenceClassification}
SUBTASKS = {
    AGREEMENT: ["sva-obj", "sva-subj", "sva-wsc", "sva-app", "ra-na", "ra-ga"],
    SENTIMENT: ["sentiment"],
}


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
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["num_hidden_layers"], config["num_attention_heads"]) == (6, 8)
    assert {p.name for p in folder.iterdir()} == {
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
            expected = ["[CLS]", *instance.text.split(), "[SEP]"]
            ids = tokenizer(instance.text)["input_ids"]
            assert tokenizer.convert_ids_to_tokens(ids) == expected
            assert tokenizer.unk_token_id not in ids


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


def test_training_twice_gives_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "REQUIRED", 0.0)
    short = replace(train.RECIPES["sentiment"], steps=3, warmup=1)
    for run in ("first", "second"):
        train.train(short, tmp_path / run)
    files = sorted(p.name for p in (tmp_path / "first").iterdir())
    assert files == sorted(p.name for p in SENTIMENT.iterdir())
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_a_model_that_is_not_good_enough_is_not_written(tmp_path: Path) -> None:
    short = replace(train.RECIPES["sentiment"], steps=1)
    with pytest.raises(
        IpgraphError, match=r"sentiment is below 0.95 on sentiment .* 0\.\d+: nothing written"
    ):
        train.train(short, tmp_path / "poor")
    assert not (tmp_path / "poor").exists()


def right(model: Any, tokenizer: Any, instances: list[Instance]) -> int:
    """Return how many instances the Hugging Face model gets right."""
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
