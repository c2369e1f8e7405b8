"""What is said of a model, against its config, its modules and its files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.random_decoders import random_decoder
from support.saved_models import save_decoder, save_encoder_decoder, save_unknown
from support.tiny_models import save_classifier, save_masked_lm
from transformers import AutoModelForCausalLM

from ipgraph.extractor.inspection.description import Description, describe
from ipgraph.extractor.inspection.structure import norms_of, sight_of
from ipgraph.extractor.models.registry import ARCHITECTURES, families
from ipgraph.graphstore.common.errors import UsageError

NORMS = {
    "gpt2": "LayerNorm before each branch",
    "gpt_neox": "LayerNorm before each branch",
    "llama": "RMSNorm before each branch",
    "qwen3": "RMSNorm before each branch, of queries and keys",
    "olmo2": "RMSNorm of queries and keys, after each branch",
    "gemma2": "RMSNorm before each branch, after each branch",
}


@pytest.mark.parametrize("family", NORMS)
def test_norms_are_where_the_papers_have_them(family: str) -> None:
    model = random_decoder(family, "causal-lm", 0)
    assert norms_of(ARCHITECTURES[type(model).__name__].adapter(model)) == NORMS[family]


def test_windows_are_told_by_layer() -> None:
    model = random_decoder("gemma2", "causal-lm", 0)
    sees = sight_of(ARCHITECTURES[type(model).__name__].adapter(model))
    assert sees == "itself, 2 before it in layers 1 3; itself, all before it in layers 2"


def why_not(described: Description) -> dict[str, str]:
    return {choice.value: choice.why_not for choice in described.choices}


def test_a_decoder_is_described(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path, "mistral")
    described, config = describe(folder), json.loads((folder / "config.json").read_text())
    module = AutoModelForCausalLM.from_pretrained(folder)
    expected = {
        "family": "mistral",
        "class": "MistralForCausalLM",
        "task": "causal-lm",
        "layers": config["num_hidden_layers"],
        "heads": config["num_attention_heads"],
        "key/value groups": config["num_key_value_heads"],
        "units per head": config["head_dim"],
        "hidden size": config["hidden_size"],
        "vocabulary": config["vocab_size"],
        "longest text": config["max_position_embeddings"],
        "norms": "RMSNorm before each branch",
        "a position sees": f"itself, {config['sliding_window'] - 1} before it",
        "parameters": module.num_parameters(),
        "stored as": "float64",
        "special tokens": ["eos </s>", "unk <unk>"],
        "default baseline": "mean",
        "position 0": "keeps its embedding and has no pattern",
        "guided patterns": "yes",
    }
    assert described.facts == expected
    reasons = why_not(described)
    assert reasons["gpr"] == reasons["correct-wrong"] == ""
    assert "no mask token" in reasons["mask"]
    assert reasons["zero"]
    assert "needs a classifier" in reasons["logit:CLASS"]
    trial = described.trial
    assert trial is not None
    assert trial.tokens == trial.sentence.count(" ") + 1 == 6
    assert trial.weights == 4 * module.num_parameters()  # float32, whatever the file has
    assert trial.memory > 0 < trial.seconds


def test_an_encoder_and_a_classifier_are_described(tmp_path: Path) -> None:
    masked = describe(save_masked_lm(tmp_path / "masked"))
    facts = masked.facts
    assert (facts["norms"], facts["a position sees"]) == ("LayerNorm after each residual", "all positions")
    assert (facts["default baseline"], facts["position 0"]) == ("mask", "moves as the others")
    assert why_not(masked)["zero"] == why_not(masked)["mask"] == ""
    names = ["red", "green", "blue"]
    folder = save_classifier(tmp_path / "classifier", classes=3, id2label=dict(enumerate(names)))
    classifier = describe(folder)
    assert classifier.facts["classes"] == names
    assert why_not(classifier)["logit:CLASS"] == ""
    assert "of two classes" in why_not(classifier)["positive-negative"]


def without_tokenizer(folder: Path) -> Path:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    return folder


def of_no_known_kind(folder: Path) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "nosuch"}))
    return folder


def test_an_unknown_family_is_described_by_itself(tmp_path: Path) -> None:
    folder = save_unknown(tmp_path)
    described = describe(folder)
    module = AutoModelForCausalLM.from_pretrained(folder)
    assert described.facts == {
        "family": "opt",
        "class": "OPTForCausalLM",
        "task": "causal-lm",
        "layers": 2,
        "heads": 4,
        "hidden size": 16,
        "vocabulary": module.config.vocab_size,
        "longest text": 24,
        "a position sees": "itself, all before it",
        "attentions": "self",
        "parameters": module.num_parameters(),
        "stored as": "float32",
        "special tokens": ["mask <mask>", "unk <unk>", "pad <pad>"],
        "guided patterns": "no",
    }
    reasons = why_not(described)
    assert reasons["gpr"].endswith(f"which is not known; known families: {', '.join(families())}")
    assert reasons["correct-wrong"] == ""
    assert described.trial is None


@pytest.mark.parametrize(
    ("change", "why"),
    [(without_tokenizer, "tokenizer"), (of_no_known_kind, "'nosuch', which transformers does not have")],
)
def test_a_model_that_cannot_be_used_is_described_by_its_config(
    tmp_path: Path, change: Callable[[Path], Path], why: str
) -> None:
    described = describe(change(save_unknown(tmp_path)))
    facts = described.facts
    assert (facts["class"], facts["layers"], facts["heads"]) == (["OPTForCausalLM"], 2, 4)
    assert facts["guided patterns"] == "no"
    (choice,) = described.choices
    assert "gpr" in choice.value
    assert why in choice.why_not
    assert described.trial is None


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_an_encoder_decoder_is_described(tmp_path: Path, family: str) -> None:
    described = describe(save_encoder_decoder(tmp_path, family))
    facts = described.facts
    assert (facts["task"], facts["encoder layers"], facts["decoder layers"]) == ("seq2seq", 2, 3)
    assert "cross" in str(facts["attentions"])
    assert "what a node of its cross-attention means is not settled" in described.choices[0].why_not


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "nowhere"}, "is not a demo model"),
        ({"name": "demo", "task": "lm"}, "unknown task 'lm'"),
        ({"name": "demo", "dtype": "float8"}, "unknown dtype"),
        ({"name": "demo", "revision": "v1"}, "is of a hub model"),
    ],
)
def test_a_wrong_request_is_an_error_and_no_description(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        describe(**options)


def test_a_task_that_a_family_does_not_serve_is_said(tmp_path: Path) -> None:
    described = describe(save_decoder(tmp_path), task="masked-lm")
    assert described.choices[0].why_not.endswith(
        "cannot be used for the task masked-lm; its family serves causal-lm, classifier"
    )
