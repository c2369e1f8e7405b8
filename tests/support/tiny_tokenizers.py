"""Tokenizers of the kinds in use, trained on a few sentences."""

from typing import Any

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizer, PreTrainedTokenizerFast

TEXTS = [
    "the doctor that the musicians love is happy .",
    "a doctor is old . the doctors are tall . is or are",
    "我喜欢学习。我讨厌学习。",
]
WORDS = ["the", "The", "doc", "##tor", "##tors", "is", "are", "un", "##happy", "happy", "cafe", "café", "ee"]
WORDS += ["new", "york", ".", ",", "?", "'", "。", "我", "喜", "欢", "讨", "厌", "学", "习", "s", "t"]
_SPECIAL = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "sep_token": "</s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
}
_MASK = AddedToken("<mask>", lstrip=True, special=True)


def wordpiece(folder: Any, *, do_lower_case: bool) -> Any:
    """Return a BERT tokenizer that knows "New York" as an added token."""
    file = folder / "vocab.txt"
    file.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    tokenizer = BertTokenizer(str(file), do_lower_case=do_lower_case)
    tokenizer.add_tokens([AddedToken("New York", normalized=False)])
    return tokenizer


def byte_level() -> Any:
    """Return a byte-level BPE as RoBERTa has it, whose <mask> takes the space before it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    names = list(dict.fromkeys(_SPECIAL.values()))
    trainer = trainers.BpeTrainer(
        vocab_size=360, special_tokens=names, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_tokens([AddedToken("New York")])
    sep, cls = (("</s>", names.index("</s>")), ("<s>", names.index("<s>")))
    tokenizer.post_processor = processors.RobertaProcessing(
        sep, cls, trim_offsets=True, add_prefix_space=False
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token=_MASK, **_SPECIAL)


def causal(*, bos: bool) -> Any:
    """Return a byte-level BPE as decoders have it, which adds nothing, or <s> before the text."""
    trained = byte_level()
    tokenizer = trained.backend_tokenizer
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
    names = {name: _SPECIAL[name] for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def metaspace(scheme: str = "always") -> Any:
    """Return a unigram tokenizer as those made with sentencepiece."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    names = list(dict.fromkeys(_SPECIAL.values()))
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=names, unk_token=_SPECIAL["unk_token"], show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 9, trainer)
    tokenizer.add_tokens([AddedToken("New York")])
    ends = [(name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ends
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token=_MASK, **_SPECIAL)
