"""Small random models in folders, as a user has them: decoders, encoder-decoders, an unknown family."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from support.families import VOCABULARY
from support.random_decoders import random_decoder

WORDS = "the a lawyer scientist engineer that hates know helps guests worker music of documentary was very"


_NAMES = ("<pad>", "<s>", "</s>", "<unused>", "<unk>", "<mask>")
_SPECIAL = {"pad": "<pad>", "bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "unk": "<unk>"}
_SPECIAL["mask"] = "<mask>"


def word_tokenizer(*special: str) -> Any:
    """Return a tokenizer of whitespace words with these special tokens, and one for unknown words."""
    names = [*_NAMES, *WORDS.split()]
    tokenizer = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    named = {f"{name}_token": _SPECIAL[name] for name in ("unk", *special)}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)


def save_decoder(folder: Path, family: str = "llama", task: str = "causal-lm", **changes: Any) -> Path:
    """Save a random decoder of a family of `support.random_decoders`, its config then changed."""
    model = random_decoder(family, task, 0)
    model.config.update(changes)
    return _save(folder, model, word_tokenizer("eos"))


def save_encoder_decoder(folder: Path, family: str) -> Path:
    """Save a random T5 or BART of two encoder layers and three decoder layers, with four heads of four."""
    torch.manual_seed(0)
    common = {"vocab_size": VOCABULARY, "d_model": 16, "pad_token_id": 0, "eos_token_id": 2}
    common["decoder_start_token_id"] = 0
    model: Any
    if family == "t5":
        model = T5ForConditionalGeneration(
            T5Config(**common, d_kv=4, d_ff=20, num_layers=2, num_decoder_layers=3, num_heads=4)
        )
    else:
        sizes = {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_position_embeddings": 24}
        model = BartForConditionalGeneration(
            BartConfig(**common, **sizes, encoder_layers=2, decoder_layers=3, bos_token_id=1)
        )
    return _save(folder, model, word_tokenizer("pad", "eos"))


_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 20,
    "max_position_embeddings": 24,
    "pad_token_id": 0,
}
_OTHERS: dict[str, dict[str, Any]] = {
    "OPT": _SIZES | {"ffn_dim": 20, "word_embed_proj_dim": 16},
    "GPTNeo": _SIZES | {"num_layers": 2, "num_heads": 4, "attention_types": [[["global"], 2]]},
    "Bloom": _SIZES | {"n_layer": 2, "n_head": 4},
    "DebertaV2": _SIZES | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "BigBird": _SIZES | {"attention_type": "original_full"},
    "XLNet": {"vocab_size": VOCABULARY, "d_model": 16, "n_layer": 2, "n_head": 4, "d_inner": 20},
    "XLM": {"vocab_size": VOCABULARY, "emb_dim": 16, "n_layers": 2, "n_heads": 4, "pad_index": 0},
    "XLMRobertaXL": _SIZES,
}
"""Configs of families without an adapter, with two layers of four heads."""


def save_unknown(folder: Path, kind: str = "OPTForCausalLM", **changes: Any) -> Path:
    """Save a random model of a family without an adapter, of a class of transformers."""
    torch.manual_seed(0)
    family = next(name for name in sorted(_OTHERS, key=len, reverse=True) if kind.startswith(name))
    config = getattr(transformers, f"{family}Config")(**_OTHERS[family] | changes)
    model = getattr(transformers, kind)(config)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.4)
    return _save(folder, model, word_tokenizer("mask", "pad"))


def _save(folder: Path, model: Any, tokenizer: Any) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
