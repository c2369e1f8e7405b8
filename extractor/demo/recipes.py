"""How each demo model is made: the table of what differs between them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedTokenizerFast,
)

from ipgraph.extractor.datasets import Task
from ipgraph.extractor.datasets.grammars.grammar import Grammar
from ipgraph.extractor.datasets.registry import GROUPS
from ipgraph.extractor.demo.corpus import agreement_grammars, sentiment_grammars, vocabulary

HIDDEN, LAYERS, HEADS, POSITIONS = 64, 6, 8, 64
_INIT = 0.08  # the usual 0.02 suits 768 units and is too little for 64
_DROPOUT = 0.2  # of attention; without it one head carries most of the agreement
_OF_ENCODERS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_OF_DECODERS = ("[PAD]", "[UNK]", "[BOS]", "[EOS]")
_NO_TYPES = ["input_ids", "attention_mask"]
"""What a model without token types reads."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one demo model is made; `tokenizer` takes the vocabulary, `config` the tokenizer."""

    name: str
    task: Task
    datasets: tuple[str, ...]
    grammars: Callable[[], list[Grammar]]
    special: tuple[str, ...]
    tokenizer: Callable[[dict[str, int]], Any]
    config: Callable[[Any], Any]
    model: type[Any]
    steps: int
    rate: float
    warmup: int = 200

    def vocabulary(self) -> dict[str, int]:
        """Return the number of each word, special tokens first."""
        return {word: number for number, word in enumerate((*self.special, *vocabulary(self.grammars())))}


def _bert_tokenizer(vocab: dict[str, int]) -> Any:
    return BertTokenizer(vocab=vocab, model_max_length=POSITIONS)


def _untyped_tokenizer(vocab: dict[str, int]) -> Any:
    return BertTokenizer(vocab=vocab, model_max_length=POSITIONS, model_input_names=_NO_TYPES)


def _decoder_tokenizer(vocab: dict[str, int]) -> Any:
    """Return a tokenizer into whole words that puts [BOS] before a text, and nothing after it."""
    words = Tokenizer(WordLevel(vocab, unk_token="[UNK]"))  # noqa: S106 - not a password
    words.normalizer = Lowercase()
    words.pre_tokenizer = BertPreTokenizer()
    words.post_processor = TemplateProcessing(single="[BOS] $A", special_tokens=[("[BOS]", vocab["[BOS]"])])
    special = {f"{kind}_token": f"[{kind.upper()}]" for kind in ("pad", "unk", "bos", "eos")}
    return PreTrainedTokenizerFast(
        tokenizer_object=words, model_max_length=POSITIONS, model_input_names=_NO_TYPES, **special
    )


def _bert_config(tokenizer: Any, **classes: Any) -> BertConfig:
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * HIDDEN,
        max_position_embeddings=POSITIONS,
        initializer_range=_INIT,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=_DROPOUT,
        **classes,
    )


def _sentiment_config(tokenizer: Any) -> BertConfig:
    classes = {0: "negative", 1: "positive"}
    return _bert_config(tokenizer, id2label=classes, label2id={name: n for n, name in classes.items()})


def _gpt2_config(tokenizer: Any) -> GPT2Config:
    return GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=HIDDEN,
        n_layer=LAYERS,
        n_head=HEADS,
        n_positions=POSITIONS,
        initializer_range=_INIT,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
        attn_pdrop=_DROPOUT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _modernbert_config(tokenizer: Any) -> ModernBertConfig:
    """Return a config whose windows (four positions to each side) are shorter than the sentences."""
    angles = {"rope_type": "default", "rope_theta": 100.0}
    return ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=2 * HIDDEN,
        max_position_embeddings=POSITIONS,
        initializer_range=_INIT,
        attention_dropout=_DROPOUT,
        local_attention=8,
        global_attn_every_n_layers=3,
        rope_parameters={"full_attention": angles, "sliding_attention": angles},
        bos_token_id=tokenizer.cls_token_id,
        cls_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        sep_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


_AGREEMENT = GROUPS["all"][1]
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "agreement",
            "masked-lm",
            _AGREEMENT,
            agreement_grammars,
            _OF_ENCODERS,
            _bert_tokenizer,
            _bert_config,
            BertForMaskedLM,
            steps=2000,
            rate=2e-3,
        ),
        Recipe(
            "sentiment",
            "classifier",
            ("sentiment",),
            sentiment_grammars,
            _OF_ENCODERS,
            _bert_tokenizer,
            _sentiment_config,
            BertForSequenceClassification,
            steps=800,
            rate=1e-3,
        ),
        Recipe(
            "gpt2",
            "causal-lm",
            _AGREEMENT,
            agreement_grammars,
            _OF_DECODERS,
            _decoder_tokenizer,
            _gpt2_config,
            GPT2LMHeadModel,
            steps=2000,
            rate=2e-3,
        ),
        Recipe(
            "modernbert",
            "masked-lm",
            _AGREEMENT,
            agreement_grammars,
            _OF_ENCODERS,
            _untyped_tokenizer,
            _modernbert_config,
            ModernBertForMaskedLM,
            steps=2000,
            rate=2e-3,
        ),
    )
}
