"""Small random BERT models in folders, as a user would have them."""

from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertTokenizer

from support.random_decoders import random_decoder
from support.tiny_tokenizers import causal

WORDS = [
    "the",
    "a",
    "farmer",
    "farmers",
    "that",
    "likes",
    "like",
    "is",
    "are",
    "old",
    "tall",
    "good",
    "bad",
    "not",
]
WORDS += ["film", "##s", ".", ","]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_masked_lm(folder: Path, **config: Any) -> Path:
    """Save a BertForMaskedLM with random weights and a tokenizer of WORDS."""
    return _save(folder, BertForMaskedLM, config)


def save_classifier(folder: Path, classes: int = 2, **config: Any) -> Path:
    """Save a BertForSequenceClassification with random weights and a tokenizer of WORDS."""
    return _save(folder, BertForSequenceClassification, config | {"num_labels": classes})


def save_decoder(folder: Path, family: str, task: str = "causal-lm", *, bos: bool) -> Path:
    """Save a random decoder of a family of `random_decoders`, with a tokenizer of `tiny_tokenizers`."""
    tokenizer = causal(bos=bos)
    model = random_decoder(family, task, 0, vocab_size=len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _save(folder: Path, kind: Any, changes: dict[str, Any]) -> Path:
    torch.manual_seed(0)
    sizes = {
        "vocab_size": len(SPECIAL) + len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 24,
        "initializer_range": 0.5,
    }
    model = kind(BertConfig(**(sizes | changes)))
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *WORDS]) + "\n")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder
