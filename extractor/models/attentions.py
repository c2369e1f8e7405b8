"""Attention probabilities of any model of transformers that returns them, with an adapter or without."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ipgraph.extractor.models.texts import Text, arguments, of_one_length
from ipgraph.graphstore.common.errors import IpgraphError, UsageError

FIELDS = {"encoder": "encoder_attentions", "self": "decoder_attentions", "cross": "cross_attentions"}
"""By what we call them, the outputs of an encoder-decoder."""


@torch.no_grad()
def attentions(module: Any, texts: Sequence[Text]) -> list[dict[str, list[Tensor]]]:
    """Return each text's attention probabilities [A, destination, source] per layer, by name.

    The names are `self` for an encoder or a decoder; `encoder`, `self`, `cross` for an encoder-decoder.
    `module` is a model of transformers in evaluation mode.
    Raises UsageError where the model does not return one matrix of attention per layer and head, IpgraphError
    where one holds nan.
    """
    found: dict[int, dict[str, list[Tensor]]] = {}
    with _eager(module):
        for numbers in of_one_length(texts):
            layers = _run(module, [texts[number] for number in numbers])
            for row, number in enumerate(numbers):
                found[number] = {name: [a[row] for a in stack] for name, stack in layers.items()}
    return [found[number] for number in range(len(texts))]


def _run(module: Any, texts: Sequence[Text]) -> dict[str, Sequence[Tensor]]:
    """Return the attention [B, A, destination, source] per layer, by name, of texts of one length."""
    given = arguments(module, texts)
    out = module.base_model(**given, output_attentions=True)
    fields = FIELDS if "decoder_input_ids" in given else {"self": "attentions"}
    layers: dict[str, Any] = {name: getattr(out, field, None) for name, field in fields.items()}
    _require_attentions(module, layers, len(texts[0].ids), len(texts[0].continuation or texts[0].ids))
    return layers


@contextmanager
def _eager(module: Any) -> Iterator[None]:
    """Let a model compute attention in the one way that returns it."""
    before = module.config._attn_implementation
    module.set_attn_implementation("eager")
    try:
        yield
    finally:
        module.set_attn_implementation(before)


def _require_attentions(module: Any, layers: dict[str, Any], source: int, own: int) -> None:
    """Raise an error where a layer's attention is not [B, A, destination, source], or holds nan."""
    sizes = {"encoder": [source, source], "self": [own, own], "cross": [own, source]}
    kind = type(module).__name__
    for name, stack in layers.items():
        shapes = [None if a is None else list(a.shape) for a in stack or [None]]
        if wrong := [shape for shape in shapes if shape is None or shape[2:] != sizes[name]]:
            what = "none in at least one layer" if wrong[0] is None else f"arrays of shape {wrong[0]}"
            raise UsageError(
                f"a {kind} does not return one matrix of attention over {sizes[name][1]} tokens per layer "
                f"and head, but {what}; methods of attention are not defined for it here"
            )
        if broken := [layer for layer, a in enumerate(stack, 1) if a.isnan().any()]:
            raise IpgraphError(
                f"the attention of the {kind} is not a number in layer {broken[0]} of {name!r}"
            )
