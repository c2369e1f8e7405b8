"""Attention probabilities of any model of transformers that returns them, with an adapter or without."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipgraph.graphstore.common.errors import UsageError

FIELDS = {"encoder": "encoder_attentions", "self": "decoder_attentions", "cross": "cross_attentions"}
"""By what we call them, the outputs of an encoder-decoder."""


class Text(NamedTuple):
    """One text as token ids."""

    ids: Sequence[int]
    types: Sequence[int] = ()  # token types, where the model has them
    continuation: Sequence[int] = ()  # the decoder's input, of an encoder-decoder


@torch.no_grad()
def attentions(module: Any, texts: Sequence[Text]) -> list[dict[str, list[Tensor]]]:
    """Return each text's attention probabilities [A, destination, source] per layer, by name.

    The names are `self` for an encoder or a decoder; `encoder`, `self`, `cross` for an encoder-decoder.
    `module` is a model of transformers in evaluation mode; the texts are run as one padded batch.
    Raises UsageError where the model does not return one square matrix of attention per layer and head.
    """
    with _eager(module):
        out = module.base_model(**_arguments(module, texts), output_attentions=True)
    if getattr(module.config, "is_encoder_decoder", False):
        layers = {name: getattr(out, field) for name, field in FIELDS.items()}
    else:
        layers = {"self": getattr(out, "attentions", None)}
    _require_attentions(module, layers, texts)
    return [_of_text(layers, number, text) for number, text in enumerate(texts)]


def _arguments(module: Any, texts: Sequence[Text]) -> dict[str, Tensor]:
    """Return the batch as the model takes it, padded on the right."""
    device = next(module.parameters()).device
    pad = getattr(module.config, "pad_token_id", None) or 0
    arguments = {
        "input_ids": _padded([text.ids for text in texts], pad, device),
        "attention_mask": _padded([[1] * len(text.ids) for text in texts], 0, device),
    }
    if any(text.types for text in texts):
        arguments["token_type_ids"] = _padded([text.types for text in texts], 0, device)
    if getattr(module.config, "is_encoder_decoder", False):
        arguments["decoder_input_ids"] = _padded([text.continuation for text in texts], pad, device)
        seen = [[1] * len(text.continuation) for text in texts]
        arguments["decoder_attention_mask"] = _padded(seen, 0, device)
    taken = signature(module.base_model.forward).parameters
    return {name: value for name, value in arguments.items() if name in taken}


def _padded(rows: Sequence[Sequence[int]], filler: int, device: torch.device) -> Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows], device=device)


@contextmanager
def _eager(module: Any) -> Iterator[None]:
    """Let a model compute attention in the one way that returns it."""
    before = module.config._attn_implementation
    module.set_attn_implementation("eager")
    try:
        yield
    finally:
        module.set_attn_implementation(before)


def _require_attentions(module: Any, layers: dict[str, Any], texts: Sequence[Text]) -> None:
    sizes = {"encoder": 2 * [max(len(text.ids) for text in texts)]}
    sizes["self"] = 2 * [max(len(text.continuation or text.ids) for text in texts)]
    sizes["cross"] = [sizes["self"][0], sizes["encoder"][0]]
    for name, found in layers.items():
        shapes = [None if a is None else list(a.shape) for a in found or [None]]
        if wrong := [
            shape for shape in shapes if shape is None or len(shape) != 4 or shape[2:] != sizes[name]
        ]:
            what = "none in at least one layer" if wrong[0] is None else f"arrays of shape {wrong[0]}"
            raise UsageError(
                f"a {type(module).__name__} does not return one matrix of attention over {sizes[name][1]} "
                f"tokens per layer and head, but {what}; methods of attention are not defined for it here"
            )


def _of_text(layers: dict[str, Any], number: int, text: Text) -> dict[str, list[Tensor]]:
    """Return a text's part of the batch, without padding."""
    source, own = len(text.ids), len(text.continuation or text.ids)
    sizes = {"encoder": (source, source), "self": (own, own), "cross": (own, source)}
    return {
        name: [a[number, :, : sizes[name][0], : sizes[name][1]] for a in found]
        for name, found in layers.items()
    }
