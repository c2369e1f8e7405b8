"""The attention blocks of an encoder-decoder (T5, BART) as sums of vectors, from its modules in transformers.

They are as in `vectors`. T5 is of the layout "pre-norm", without biases (position is in its weights only);
BART is "post-norm". A layer of the decoder has two blocks: self-attention, then cross-attention, whose
sources are the encoder's tokens and the residual (the authors' later code for encoder-decoders).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from ipgraph.extractor.methods.decomposition.vectors import Vectors, of_heads
from ipgraph.extractor.models.attentions import attentions
from ipgraph.extractor.models.blocks import LayerNorm, Linear
from ipgraph.extractor.models.texts import Text
from ipgraph.graphstore.common.errors import UsageError


class Block(NamedTuple):
    """An attention block's modules."""

    enters: Any  # whose input is the residual
    values: Any
    projection: Any
    norm: Any = None  # after the residual


Blocks: TypeAlias = Mapping[str, Sequence[Block]]
"""By name, as attentions are: `encoder`, `self`, `cross`."""


def _t5(module: Any) -> Blocks:
    def block(part: Any, attention: Any) -> Block:
        return Block(part, attention.v, attention.o)

    encoder, decoder = module.get_encoder().block, module.get_decoder().block
    return {
        "encoder": [block(layer.layer[0], layer.layer[0].SelfAttention) for layer in encoder],
        "self": [block(layer.layer[0], layer.layer[0].SelfAttention) for layer in decoder],
        "cross": [block(layer.layer[1], layer.layer[1].EncDecAttention) for layer in decoder],
    }


def _bart(module: Any) -> Blocks:
    def block(attention: Any, norm: Any) -> Block:
        return Block(attention, attention.v_proj, attention.out_proj, norm)

    encoder, decoder = module.get_encoder().layers, module.get_decoder().layers
    return {
        "encoder": [block(layer.self_attn, layer.self_attn_layer_norm) for layer in encoder],
        "self": [block(layer.self_attn, layer.self_attn_layer_norm) for layer in decoder],
        "cross": [block(layer.encoder_attn, layer.encoder_attn_layer_norm) for layer in decoder],
    }


FAMILIES = {"t5": _t5, "bart": _bart}
"""Where the blocks are, by the `model_type` of a model's config."""


def blocks_of(module: Any) -> Blocks:
    """Return a model's attention blocks by name; raises UsageError where its family is not known."""
    family = module.config.model_type
    if family not in FAMILIES:
        raise UsageError(
            f"the attention blocks of a {type(module).__name__} cannot be taken apart into one vector per "
            f"token: where they are is not known for the family {family!r}. Of models without an adapter it "
            f"is known for the encoder-decoders {', '.join(FAMILIES)}"
        )
    return FAMILIES[family](module)


def encoder_decoder_vectors(module: Any, texts: Sequence[Text]) -> Iterator[tuple[str, Iterator[Vectors]]]:
    """Yield the blocks by name, each layer's vectors, of texts of one length.

    Raises UsageError where the model's family is not known.
    """
    blocks = blocks_of(module)
    with _watched(blocks) as seen:
        found = attentions(module, texts)
    for name, stack in blocks.items():
        by_layer = zip(*(text[name] for text in found), strict=True)
        yield (
            name,
            (
                _vectors(block, torch.stack(weights), seen, is_cross=name == "cross")
                for block, weights in zip(stack, by_layer, strict=True)
            ),
        )


def _vectors(block: Block, weights: Tensor, seen: Mapping[Any, Tensor], *, is_cross: bool) -> Vectors:
    values = seen[block.values].unflatten(-1, (weights.shape[1], -1))
    vectors = of_heads(weights, values, Linear.of(block.projection), is_cross=is_cross)
    residual = seen[block.enters]
    whole = seen[block.projection] + residual
    vectors = replace(vectors, residual=residual, output=whole)
    if block.norm is None:
        return vectors
    norm = LayerNorm.of(block.norm)
    output, saved = norm(whole[:, None])
    return vectors.through(norm, saved, output[:, 0])


@contextmanager
def _watched(blocks: Blocks) -> Iterator[dict[Any, Tensor]]:
    """Keep, by module, what enters each block, and what its values and its projection give."""
    seen: dict[Any, Tensor] = {}

    def enter(module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        seen[module] = inputs[0] if inputs else named["hidden_states"]

    def leave(module: Any, _inputs: Any, output: Tensor) -> None:
        seen[module] = output

    with ExitStack() as hooks:
        for block in (block for stack in blocks.values() for block in stack):
            hooks.enter_context(block.enters.register_forward_pre_hook(enter, with_kwargs=True))
            for linear in (block.values, block.projection):
                hooks.enter_context(linear.register_forward_hook(leave))
        yield seen
