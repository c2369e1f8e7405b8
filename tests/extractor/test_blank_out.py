"""Blank-out against a loop that replaces one token, or one embedding, at a time."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.asked_models import Case, case_of
from support.random_decoders import random_decoder
from support.saved_models import save_encoder_decoder, word_tokenizer
from support.tiny_tokenizers import causal
from torch import Tensor

from ipgraph.extractor.datasets import Example, make_instance
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.methods.attributions import Asked
from ipgraph.extractor.methods.perturbation import blank_out as blanking
from ipgraph.extractor.methods.perturbation.blank_out import blank_out, differences
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.heads import AT_INPUT, NO_LOGIT
from ipgraph.extractor.models.loading import load_any, load_model
from ipgraph.extractor.models.texts import Text
from ipgraph.extractor.tracing.batch import Baseline
from ipgraph.extractor.tracing.sampling import Sampling

MASK = 4


def read(logits: Tensor, sentence: Encoded, pair: tuple[int, int], *, is_probability: bool) -> float:
    row = logits[0] if logits.dim() == 2 else logits[0, sentence.target]
    value = row.softmax(-1)[pair[0]] if is_probability else row[pair[0]] - row[pair[1]]
    return float(value)


def pair_of(logits: Tensor, sentence: Encoded) -> tuple[int, int]:
    first, second = sentence.qoi_logits
    if AT_INPUT not in (first, second):
        return first, second
    order = logits[0].argsort(descending=True).tolist()
    first = order[0] if first == AT_INPUT else first
    return first, next(one for one in order if one != first)


def with_mask(case: Case, sentence: Encoded, is_probability: bool) -> list[float]:
    """Return the scores with one id replaced at a time."""
    with torch.no_grad():
        whole = case.model.module(torch.tensor([sentence.ids])).logits
        pair = pair_of(whole, sentence)
        before = read(whole, sentence, pair, is_probability=is_probability)
        scores = []
        for place in range(len(sentence.ids)):
            ids = [MASK if i == place else token for i, token in enumerate(sentence.ids)]
            blanked = case.model.module(torch.tensor([ids])).logits
            scores.append(before - read(blanked, sentence, pair, is_probability=is_probability))
    return scores


def with_baseline(asked: Asked, sentence: Encoded) -> list[float]:
    """Return the scores with one embedding replaced at a time."""
    words = asked.model.module.get_input_embeddings()(torch.tensor([sentence.ids]))
    rows = words.repeat(len(sentence.ids), 1, 1)
    for place in range(int(asked.baseline.holds_first), len(sentence.ids)):
        rows[place, place] = asked.baseline.embedding
    with torch.no_grad():
        values = [
            read(
                asked.model.module(inputs_embeds=row[None]).logits,
                sentence,
                sentence.qoi_logits,
                is_probability=asked.is_probability,
            )
            for row in (*words, *rows)
        ]
    return [values[0] - value for value in values[1:]]


@pytest.mark.parametrize("is_probability", [False, True])
@pytest.mark.parametrize("kind", ["bert", "electra", "classifier"])
def test_a_mask_token_takes_each_place(
    kind: str, is_probability: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(kind, tmp_path, monkeypatch)
    assert case.model.tokenizer.mask_token_id == MASK
    asked = case.asked("blank_out", is_probability=is_probability)
    for sentence, one in zip(case.sentences, blank_out(asked, case.sentences), strict=True):
        assert one.scores == pytest.approx(with_mask(case, sentence, is_probability), rel=0, abs=1e-9)
        assert np.abs(one.scores).max() > 1e-4
        assert case.model.classes or one.scores[sentence.target] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("is_probability", [False, True])
@pytest.mark.parametrize("move_first", [False, True])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_without_one_the_baseline_does(
    kind: str, move_first: bool, is_probability: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(kind, tmp_path, monkeypatch)
    asked = case.asked("blank_out", Options(move_first=move_first), is_probability=is_probability)
    for sentence, one in zip(case.sentences, blank_out(asked, case.sentences), strict=True):
        assert one.scores == pytest.approx(with_baseline(asked, sentence), rel=0, abs=1e-9)
        assert (abs(one.scores[0]) < 1e-12) != move_first


def test_a_baseline_that_is_named_takes_the_place_of_the_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of("bert", tmp_path, monkeypatch)
    asked = case.asked("blank_out", Options(baseline="mean"))
    for sentence, one in zip(case.sentences, blank_out(asked, case.sentences), strict=True):
        assert one.scores == pytest.approx(with_baseline(asked, sentence), rel=0, abs=1e-9)
        assert abs(one.scores[sentence.target]) > 1e-6


def test_few_rows_at_once_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of("bert", tmp_path, monkeypatch)
    expected = blank_out(case.asked("blank_out"), case.sentences)
    for most in (1, 500):
        monkeypatch.setattr(blanking, "_LOGITS", most)
        found = blank_out(case.asked("blank_out"), case.sentences)
        for one, other in zip(found, expected, strict=True):
            assert one.scores == pytest.approx(other.scores, rel=0, abs=1e-12)


@pytest.mark.parametrize("padding", [None, 2])
def test_a_decoder_that_classifies_with_and_without_a_padding_token(padding: int | None) -> None:
    """A text that ends with the padding token is read before it, and what follows is not heard."""
    tokenizer = causal(bos=False)
    module = random_decoder("gpt2", "classifier", 0, vocab_size=len(tokenizer), pad_token_id=padding)
    model = load_model(module, tokenizer=tokenizer, dtype="float64", device="cpu")
    (sentence,), _ = encode(model, [Example(make_instance("mine", "the doctor is old", label=0))])
    sentence = replace(sentence, qoi_logits=(1, NO_LOGIT))
    longer = sentence if padding is None else replace(sentence, ids=[*sentence.ids, padding])
    asked = Case(model, [sentence]).asked("blank_out")
    (found,) = blank_out(asked, [longer])
    words = model.module.get_input_embeddings()(torch.tensor([sentence.ids]))
    with torch.no_grad():
        before = model.module(inputs_embeds=words).logits[0, 1]
        for place in range(1, len(sentence.ids)):
            changed = words.clone()
            changed[0, place] = asked.baseline.embedding
            after = model.module(inputs_embeds=changed).logits[0, 1]
            assert found.scores[place] == pytest.approx(float(before - after), abs=1e-10)
    assert found.scores[0] == 0
    assert found.scores[len(sentence.ids) :].tolist() == [0] * (len(longer.ids) - len(sentence.ids))


@pytest.mark.parametrize("has_mask", [False, True])
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_both_stacks_of_an_encoder_decoder(family: str, has_mask: bool, tmp_path: Path) -> None:
    model = load_any(save_encoder_decoder(tmp_path, family), dtype="float64", device="cpu")
    tokenizer = word_tokenizer("pad", "eos", "mask") if has_mask else model.tokenizer
    module, mask = model.module, tokenizer.mask_token_id
    assert (mask is not None) == has_mask
    source, target = torch.tensor([[6, 7, 8, 9]]), torch.tensor([[3, 10, 11]])
    encoder, decoder = (s.get_input_embeddings() for s in (module.get_encoder(), module.get_decoder()))
    words, own = encoder(source), decoder(target)
    blank = encoder(torch.tensor(mask)) if has_mask else torch.full((16,), 0.25, dtype=torch.float64)
    plain: Any = SimpleNamespace(module=module, tokenizer=tokenizer, device=model.device, task="seq2seq")
    asked = Asked(plain, "blank_out", Sampling((), None), Baseline(blank))
    text = Text(source[0].tolist(), continuation=target[0].tolist())
    (scores,) = differences(asked, [text], torch.tensor([1]), torch.tensor([[12, 13]]))

    def qoi(source_words: Tensor, target_words: Tensor) -> float:
        with torch.no_grad():
            logits = module(inputs_embeds=source_words, decoder_inputs_embeds=target_words).logits[0, 1]
        return float(logits[12] - logits[13])

    expected = []
    for place in range(7):
        changed, changed_own = words.clone(), own.clone()
        if place < 4:
            changed[0, place] = blank
        else:
            changed_own[0, place - 4] = blank
        expected.append(qoi(words, own) - qoi(changed, changed_own))
    assert scores == pytest.approx(expected, rel=0, abs=1e-7)  # norms are in float32 there
    assert np.abs(scores[:6]).min() > 5e-6
    assert scores[6] == pytest.approx(0, abs=1e-12)
