"""A trained model in another architecture that computes the same has the same patterns."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from support.comparison import assert_same, fast
from support.families import adapter_of, trace_of, transformers_logits, words_of
from support.rehosted import REHOSTED, REHOSTED_DECODERS
from support.requirements import shared, smollm2
from transformers import AutoTokenizer, BertForMaskedLM, LlamaForCausalLM

from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.oracle import Guided, Question

SENTENCES = [
    ("the author that the guards like [MASK] old .", "is", "are"),
    ("the farmers near the tall surgeon [MASK] young .", "are", "is"),
]
STARTS = [("The keys to the cabinet", " are", " is"), ("The author near the guards", " laughs", " laugh")]


def loaded(kind: Any, folder: Path) -> Any:
    model = kind.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    return model.eval().requires_grad_(False)


def patterns_of(model: Any, asked: list[Question]) -> list[list[Guided]]:
    with torch.no_grad():
        return fast(trace_of(adapter_of(model), asked))


@cache
def minilm(folder: Path) -> tuple[Any, list[Question], list[list[Guided]]]:
    """Return the model, questions on sentences of two lengths, and their patterns."""
    model, tokenizer = loaded(BertForMaskedLM, folder), AutoTokenizer.from_pretrained(folder)
    (baseline,) = words_of(model, (tokenizer.mask_token_id,))
    asked = []
    for text, *forms in SENTENCES:
        ids, (correct, wrong) = tokenizer(text)["input_ids"], tokenizer.convert_tokens_to_ids(forms)
        target = ids.index(tokenizer.mask_token_id)
        asked.append(Question(tuple(ids), target, correct, wrong, baseline, *oracle.uniform(8)))
    return model, asked, patterns_of(model, asked)


@cache
def smollm(folder: Path) -> tuple[Any, list[Question], list[list[Guided]]]:
    """Return the same of a decoder, asked at the end of each text."""
    model, tokenizer = loaded(LlamaForCausalLM, folder), AutoTokenizer.from_pretrained(folder)
    baseline = model.get_input_embeddings().weight.mean(0)
    asked = []
    for text, *forms in STARTS:
        ids, (correct, wrong) = tokenizer(text)["input_ids"], (tokenizer(f)["input_ids"][0] for f in forms)
        asked.append(Question(tuple(ids), len(ids) - 1, correct, wrong, baseline, *oracle.uniform(3)))
    return model, asked, patterns_of(model, asked)


def assert_equal(model: Any, other: Any, asked: list[Question], expected: list[list[Guided]]) -> None:
    assert type(other) is not type(model)
    logits = transformers_logits(model, asked)
    assert (transformers_logits(other, asked) - logits).abs().max() <= 1e-9 * logits.abs().max()
    moves, skips = oracle.variety([one for patterns in expected for one in patterns])
    assert 0 < moves < 1
    assert 0 < skips < 1
    for found, wanted in zip(patterns_of(other, asked), expected, strict=True):
        largest = max(abs(one.position_influences[0]) for one in wanted)
        assert_same(found, wanted, 1e-6 * min(1.0, largest))


@pytest.mark.parametrize("family", REHOSTED)
def test_an_encoder_has_the_same_patterns(family: str) -> None:
    model, asked, expected = minilm(shared("models", "minilm-l6-sva"))
    assert_equal(model, REHOSTED[family](model), asked, expected)


@pytest.mark.slow
@pytest.mark.parametrize("family", REHOSTED_DECODERS)
def test_a_decoder_has_the_same_patterns(family: str) -> None:
    model, asked, expected = smollm(smollm2())
    assert_equal(model, REHOSTED_DECODERS[family](model), asked, expected)
