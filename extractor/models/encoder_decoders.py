"""Encoder-decoders (T5, BART): how they are loaded, and their attentions by name.

They have no adapter: what a node of their cross-attention means is not settled, so that patterns are not
defined for them (`registry.refusal`).
"""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipgraph.extractor.models.plain import PlainModel, load_plain
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.graph import GraphLayer, GraphShape

TASK = "seq2seq"


class Kind(NamedTuple):
    """A family's class in transformers, and where its layers have norms."""

    architecture: str
    norms: str


KINDS = {
    "t5": Kind("T5ForConditionalGeneration", "RMSNorm before each branch"),
    "bart": Kind("BartForConditionalGeneration", "LayerNorm after each residual"),
}
"""By the `model_type` of a model's config."""


class Forward(NamedTuple):
    """A forward pass of one text: logits [T, V], and attentions by name, each row (a query) sums to 1.

    These are `encoder` [L, A, S, S], `self` [L, A, T, T] and `cross` [L, A, T, S]; the encoder's L and A may
    differ from the decoder's.
    """

    logits: Tensor
    attentions: dict[str, Tensor]

    @property
    def shape(self) -> GraphShape:
        """The computation graph: the encoder's layers, then by decoder layer self- and cross-attention."""
        layers, heads = self.attentions["encoder"].shape[:2]
        encoder = [GraphLayer(heads)] * layers
        layers, heads = self.attentions["cross"].shape[:2]
        decoder = [GraphLayer(heads, ahead=0, stack=2, reads=2), GraphLayer(heads, stack=2)] * layers
        return GraphShape((*encoder, *decoder))


def load_encoder_decoder(
    name: str | Path, *, revision: str | None = None, device: str = "auto", dtype: str = "float32"
) -> PlainModel:
    """Load a T5 or BART with its language model's head from a folder or the hub (safetensors only).

    Raises UsageError where it is not one of KINDS, IpgraphError where its files could not be read.
    """
    return load_plain(name, choose=_class_of, revision=revision, device=device, dtype=dtype)


def _class_of(name: str, config: Any) -> str:
    if config.model_type not in KINDS:
        raise UsageError(f"model {name!r} is not an encoder-decoder of these families: {', '.join(KINDS)}")
    return KINDS[config.model_type].architecture


@torch.no_grad()
def forward(model: PlainModel, source: Tensor, target: Tensor) -> Forward:
    """Run the token ids of a source text [S] and of the decoder's input [T]."""
    out = model.module(
        input_ids=source[None], decoder_input_ids=target[None], output_attentions=True, use_cache=False
    )
    named = {"encoder": out.encoder_attentions, "self": out.decoder_attentions, "cross": out.cross_attentions}
    return Forward(out.logits[0], {name: torch.cat(layers) for name, layers in named.items()})
