"""Encoders in folders, as a user has them: what is read, and what is refused with a reason."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from support.random_encoders import FAMILIES, TASKS, random_encoder
from support.tiny_models import SPECIAL, WORDS
from support.tiny_tokenizers import byte_level
from transformers import BertTokenizer

from ipgraph.extractor.datasets import Example
from ipgraph.extractor.datasets.example import make_instance
from ipgraph.extractor.models.encoding import encode
from ipgraph.extractor.models.loading import load_model
from ipgraph.graphstore.common.errors import UsageError

IDS = torch.tensor([[2, 6, 7, 4, 8, 3]])


def saved(folder: Path, model: Any, **changes: Any) -> Path:
    """Save a model with a tokenizer; `changes` are to its config."""
    model.save_pretrained(folder)
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *WORDS]) + "\n")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def logits_of(model: Any) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(IDS)[0]
    return logits


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_is_the_model_that_was_saved(tmp_path: Path, family: str, task: str, is_tied: bool) -> None:
    """Also where its config names no architecture: its head is among the weights."""
    model = random_encoder(family, task, 0, tie_word_embeddings=is_tied)
    found = load_model(saved(tmp_path, model, architectures=None), dtype="float64")
    assert found.task == task
    assert type(found.module) is type(model)
    assert torch.allclose(logits_of(found.module), logits_of(model), atol=1e-5)


@pytest.mark.parametrize("kept", ["bias", "decoder.bias"])
@pytest.mark.parametrize(
    ("family", "head"), [("roberta", "lm_head"), ("mpnet", "lm_head"), ("albert", "predictions")]
)
def test_an_output_bias_saved_under_one_of_its_names_is_the_models(
    tmp_path: Path, family: str, head: str, kept: str
) -> None:
    model = random_encoder(family, "masked-lm", 0, tie_word_embeddings=False)
    folder = saved(tmp_path, model)
    weights = load_file(folder / "model.safetensors")
    bias = weights.pop(f"{head}.decoder.bias")
    del weights[f"{head}.bias"]
    save_file(weights | {f"{head}.{kept}": bias}, folder / "model.safetensors", {"format": "pt"})
    assert torch.allclose(logits_of(load_model(folder, dtype="float64").module), logits_of(model))


def test_alberts_pretraining_checkpoint_is_its_masked_language_model(tmp_path: Path) -> None:
    config = random_encoder("albert", "masked-lm", 0).config
    model = transformers.AlbertForPreTraining(config).double().eval()
    found = load_model(saved(tmp_path, model), dtype="float64")
    assert found.task == "masked-lm"
    assert torch.allclose(logits_of(found.module), logits_of(model), atol=1e-12)


REFUSED = [
    ("roberta", {"is_decoder": True}, "is a decoder"),
    ("electra", {"position_embedding_type": "relative_key"}, "relative_key position embeddings"),
    (
        "electra",
        {"architectures": ["ElectraForPreTraining"]},
        "has the architecture ElectraForPreTraining; of the family 'electra'",
    ),
    (
        "roberta",
        {"architectures": ["DebertaV2ForMaskedLM"]},
        "has the architecture DebertaV2ForMaskedLM; of the family 'roberta'",
    ),
]


@pytest.mark.parametrize(("family", "changes", "reason"), REFUSED)
def test_what_is_not_defined_here_is_refused(
    tmp_path: Path, family: str, changes: dict[str, Any], reason: str
) -> None:
    folder = saved(tmp_path, random_encoder(family, "masked-lm", 0), **changes)
    with pytest.raises(UsageError, match=reason):
        load_model(folder)


def test_a_text_with_the_padding_token_is_refused() -> None:
    """RoBERTa gives it no position of its own, so that all positions after it would be others."""
    tokenizer = byte_level()
    module = random_encoder(
        "roberta", "masked-lm", 0, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id
    )
    model = load_model(module, tokenizer=tokenizer, dtype="float64", device="cpu")
    texts = ("the doctor [MASK] old .", "the <pad> doctor [MASK] old .")
    examples = [Example(make_instance("mine", text, correct="is", wrong="are")) for text in texts]
    (one,), (skipped,) = encode(model, examples)
    assert model.padding not in one.ids
    assert "contains the padding token" in skipped.reason
