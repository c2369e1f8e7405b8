"""What the model reads is what its tokenizer makes of the whole text; each piece knows its word."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_models import save_masked_lm
from support.tiny_tokenizers import byte_level, metaspace, wordpiece

from ipgraph.extractor.datasets import Example, make_instance
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.graphstore.common.errors import UsageError

TEXT = "The doctors that love New York, the [MASK] café is happy ."


@cache
def cached(make: Callable[..., Any], *args: str) -> Any:
    return make(*args)


KINDS: dict[str, Callable[[Path], Any]] = {
    "cased": lambda folder: wordpiece(folder, do_lower_case=False),
    "uncased": lambda folder: wordpiece(folder, do_lower_case=True),
    "byte-level": lambda _: cached(byte_level),
    "metaspace": lambda _: cached(metaspace),
    "metaspace-first": lambda _: cached(metaspace, "first"),
}


@cache
def tiny_model(folder: Path) -> LoadedModel:
    save_masked_lm(folder / "pieces", vocab_size=600, max_position_embeddings=200)
    return load_model(folder / "pieces", device="cpu")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return tiny_model(tmp_path_factory.getbasetemp())


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, loaded: LoadedModel, tmp_path: Path) -> LoadedModel:
    return replace(loaded, tokenizer=KINDS[request.param](tmp_path))


def example(text: str, roles: tuple[str, ...] = (), **fields: Any) -> Example:
    forms = {"correct": "is", "wrong": "are"} | fields
    return Example(make_instance("mine", text, **forms), roles, "mine:1")


def encoded(model: LoadedModel, one: Example, **given: Any) -> Encoded:
    options: dict[str, Any] = {"allow_unk": True, "answers": "first-difference"} | given
    (found,), skipped = encode(model, [one], **options)
    assert not skipped
    return found


def reason(model: LoadedModel, one: Example, **options: Any) -> str:
    found, (skipped,) = encode(model, [one], **options)
    assert not found
    return skipped.reason


def cut_by_transformers(model: LoadedModel, found: Encoded) -> list[int]:
    text = found.instance.text.replace("[MASK]", model.tokenizer.mask_token)
    ids: list[int] = model.tokenizer(text)["input_ids"]
    return ids


def without_shared(model: LoadedModel, found: Encoded) -> list[int]:
    """Return the ids without the pieces that both forms begin with, which stand before the target."""
    shared = len(found.ids) - len(cut_by_transformers(model, found))
    return [*found.ids[: found.target - shared], *found.ids[found.target :]]


def tokens_of(found: Encoded, word: int) -> list[str]:
    return [token for token, index in zip(found.tokens, found.word_indices, strict=True) if index == word]


def test_the_pieces_are_those_of_the_whole_text(model: LoadedModel) -> None:
    found = encoded(model, example(TEXT))
    assert without_shared(model, found) == cut_by_transformers(model, found)
    assert found.ids.count(model.tokenizer.mask_token_id) == 1
    assert found.ids[found.target] == model.tokenizer.mask_token_id
    assert found.roles[found.target] == "target"
    assert found.word_indices[0] == found.word_indices[-1] == -1
    assert (found.roles[0], found.roles[-1]) == ("cls", "sep")


def test_each_piece_is_of_the_word_that_it_spells(model: LoadedModel) -> None:
    """The added token spans two words and belongs to the first; the comma belongs to the second."""
    found = encoded(model, example(TEXT))
    assert tokens_of(found, 4)[-1] == "New York"
    assert "".join(tokens_of(found, 5)).strip("▁Ġ") in (",", model.tokenizer.unk_token)
    assert tokens_of(found, 7)[-1] == model.tokenizer.mask_token
    indices = [index for index in found.word_indices if index >= 0]
    assert indices == sorted(indices)
    words = TEXT.split()
    assert set(indices) == set(range(len(words)))
    assert [words[index] for index in indices] == found.words[1:-1]


def test_a_byte_level_bpe_knows_the_space_before_a_word(loaded: LoadedModel) -> None:
    model = replace(loaded, tokenizer=cached(byte_level))
    found = encoded(model, example("the doctor [MASK] happy ."))
    assert found.tokens == ["<s>", "the", "Ġdoctor", "<mask>", "Ġhappy", "Ġ.", "</s>"]
    assert model.tokenizer.convert_ids_to_tokens(found.qoi_logits) == ["Ġis", "Ġare"]
    whole = model.tokenizer("the doctor is happy .")["input_ids"]
    assert [i for i in whole if i not in found.ids] == [found.qoi_logits[0]]


def test_a_form_at_the_start_or_inside_a_word_has_no_space(loaded: LoadedModel) -> None:
    model = replace(loaded, tokenizer=cached(byte_level))
    for text in ("[MASK] the doctor .", "the d[MASK] ."):
        found = encoded(model, example(text, correct="doctor", wrong="happy"))
        tokens = model.tokenizer.convert_ids_to_tokens(found.qoi_logits)
        assert [token[0] for token in tokens] == ["d", "h"]


def test_a_form_inside_a_word_continues_it(loaded: LoadedModel, tmp_path: Path) -> None:
    model = replace(loaded, tokenizer=wordpiece(tmp_path, do_lower_case=False))
    found = encoded(model, example("un[MASK] .", correct="happy", wrong="tor"), answers="first-difference")
    assert model.tokenizer.convert_ids_to_tokens(found.qoi_logits) == ["##happy", "##tor"]
    apart = encoded(model, example("un [MASK] .", correct="happy", wrong="un"))
    assert model.tokenizer.convert_ids_to_tokens(apart.qoi_logits) == ["happy", "un"]


@pytest.mark.parametrize("scheme", ["always", "first"])
def test_a_form_of_a_sentencepiece_model_has_its_space(loaded: LoadedModel, scheme: str) -> None:
    model = replace(loaded, tokenizer=cached(metaspace, scheme))
    found = encoded(model, example("the [MASK] is", correct="doctor", wrong="musicians"))
    assert all(token.startswith("▁") for token in model.tokenizer.convert_ids_to_tokens(found.qoi_logits))


def test_special_tokens_are_those_that_the_tokenizer_adds(model: LoadedModel) -> None:
    unknown = model.tokenizer.unk_token
    text = f"the {unknown} doctor [MASK] ."
    found = encoded(model, example(text))
    assert tokens_of(found, 1)[-1] == unknown
    assert found.words[found.tokens.index(unknown)] == unknown
    assert found.roles[found.tokens.index(unknown)] == "other"
    assert f"not in the model's vocabulary: {unknown!r}" in reason(model, example(text))
    separated = encoded(model, example(f"a {model.tokenizer.sep_token} doctor [MASK] ."))
    assert [r for r, i in zip(separated.roles, separated.word_indices, strict=True) if i < 0] == [
        "cls",
        "sep",
    ]


def test_one_mask_is_needed_whatever_it_is_called(model: LoadedModel) -> None:
    assert "2 [MASK]" in reason(model, example(f"the [MASK] {model.tokenizer.mask_token} ."))
    assert "0 [MASK]" in reason(model, example("the doctor ."))
    assert "no piece" in reason(model, example(" "))


def test_a_special_token_is_not_an_answer(model: LoadedModel) -> None:
    one = example("the [MASK] .", correct=model.tokenizer.sep_token)
    assert re.search(r"not in the model's vocabulary|\d pieces", reason(model, one))


# --- scripts without spaces ---


def test_in_text_without_spaces_every_piece_is_a_word(model: LoadedModel) -> None:
    text = "我喜欢[MASK]。"
    found = encoded(model, example(text, correct="学", wrong="讨"))
    assert without_shared(model, found) == cut_by_transformers(model, found)
    words = dict(zip(found.word_indices, found.words, strict=True))
    assert "".join(words[index] for index in sorted(words) if index >= 0) == text
    assert sorted(words) == list(range(-1, len(words) - 1))
    assert words[found.word_indices[found.target]] == "[MASK]"
    given = encoded(model, example(text, ("whole",), correct="学", wrong="讨"))
    assert set(given.word_indices) == {-1, 0}
    assert set(given.roles) == {"cls", "whole", "target", "sep"}


def test_words_are_counted_per_script(loaded: LoadedModel, tmp_path: Path) -> None:
    model = replace(loaded, tokenizer=wordpiece(tmp_path, do_lower_case=False))
    found = encoded(model, example("doctors 我喜 [MASK] doctors"))
    assert found.tokens[1:-1] == ["doc", "##tors", "我", "喜", "[MASK]", "doc", "##tors"]
    assert found.word_indices[1:-1] == [0, 0, 1, 2, 3, 4, 4]
    assert found.words[1:-1] == ["doctors", "doctors", "我", "喜", "[MASK]", "doctors", "doctors"]


@given(text=st.lists(st.sampled_from("我喜欢学习é☃ a.[「\u0301")).map("".join))
def test_any_text_is_traced_as_it_is_cut(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    for make in (byte_level, metaspace):
        model = replace(tiny_model(tmp_path_factory.getbasetemp()), tokenizer=cached(make))
        found = encoded(model, example(text + "[MASK] ."))
        assert without_shared(model, found) == cut_by_transformers(model, found)
        inside = list(zip(found.word_indices, found.words, strict=True))[1:-1]
        names = dict(inside)
        assert all(word.strip() for word in names.values())
        assert all(word == names[index] for index, word in inside)


# --- answers of several pieces ---


def test_the_pieces_that_answers_share_stand_before_the_mask(loaded: LoadedModel, tmp_path: Path) -> None:
    model = replace(loaded, tokenizer=wordpiece(tmp_path, do_lower_case=False))
    roles = ("determiner", "target", "punct")
    one = example("the [MASK] .", roles, correct="doctors", wrong="dochappy")
    assert "is 2 pieces" in reason(model, one)
    found = encoded(model, one)
    assert found.tokens == ["[CLS]", "the", "doc", "[MASK]", ".", "[SEP]"]
    assert model.tokenizer.convert_ids_to_tokens(found.qoi_logits) == ["##tors", "##happy"]
    assert (found.target, found.word_indices) == (3, [-1, 0, 1, 1, 2, -1])
    assert found.words[2:4] == ["[MASK]", "[MASK]"]
    assert found.roles == ["cls", "determiner", "target", "target", "punct", "sep"]
    assert found.instance == one.instance
    assert found.types == [0] * 6


def test_forms_that_begin_each_other_are_skipped(loaded: LoadedModel, tmp_path: Path) -> None:
    model = replace(loaded, tokenizer=wordpiece(tmp_path, do_lower_case=False))
    one = example("the [MASK] .", correct="doc", wrong="doctors")
    assert "begin those of the other: 'doc' is piece 'doc'" in reason(model, one, answers="first-difference")
    long = example("the [MASK] .", correct="doctors", wrong="dochappy")
    assert "6 tokens" in reason(model, long, answers="first-difference", max_tokens=5)


def test_a_rule_that_does_not_exist_is_named(loaded: LoadedModel) -> None:
    with pytest.raises(UsageError, match="unknown answers 'longest'"):
        encode(loaded, [], answers="longest")
