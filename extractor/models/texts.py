"""Texts as a model of transformers takes them, with an adapter or without: those of one length together."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipgraph.extractor.models.encoding import Encoded


class Text(NamedTuple):
    """One text as token ids."""

    ids: Sequence[int]
    types: Sequence[int] = ()  # token types, where the model has them
    continuation: Sequence[int] = ()  # the decoder's input, of an encoder-decoder


def text_of(sentence: Encoded) -> Text:
    """Return an encoded sentence as a text."""
    if not sentence.sources:
        return Text(sentence.ids, sentence.types)
    return Text(sentence.ids[: sentence.sources], continuation=sentence.ids[sentence.sources :])


def of_one_length(texts: Sequence[Text], at_once: int | None = None) -> Iterator[list[int]]:
    """Yield the numbers of texts that have one length, at most `at_once` of them together.

    None are padded: in float64, padding under a window turns into nan, and some models do not take a mask.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for number, text in enumerate(texts):
        groups.setdefault((len(text.ids), len(text.continuation)), []).append(number)
    for numbers in groups.values():
        size = at_once or len(numbers)
        yield from (numbers[first : first + size] for first in range(0, len(numbers), size))


def arguments(module: Any, texts: Sequence[Text]) -> dict[str, Tensor]:
    """Return what a model is called with for texts of one length."""
    rows: dict[str, list[Sequence[int]]] = {"input_ids": [text.ids for text in texts]}
    if any(any(text.types) for text in texts):
        rows["token_type_ids"] = [text.types or [0] * len(text.ids) for text in texts]
    if getattr(module.config, "is_encoder_decoder", False):
        rows["decoder_input_ids"] = [text.continuation for text in texts]
    device = next(module.parameters()).device
    return {name: torch.tensor(values, device=device) for name, values in rows.items()}
