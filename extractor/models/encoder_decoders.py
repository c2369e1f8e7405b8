"""Encoder-decoders (T5, BART): how they are loaded, and their attentions by name.

They have no adapter: what a node of their cross-attention means is not settled, so that patterns are not
defined for them (`registry.refusal`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipgraph.extractor.models.digests import digest_of_folder
from ipgraph.extractor.models.files import named, read_config, read_tokenizer
from ipgraph.extractor.models.loading import DTYPES, locate, require_options
from ipgraph.extractor.models.weights import load_weights, require_safetensors
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


@dataclass(frozen=True)
class EncoderDecoder:
    """A frozen encoder-decoder; `forward` runs it."""

    name: str  # as the user gave it
    digest: str  # of weights, config and tokenizer, or the hub's commit
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    module: Any  # the Hugging Face model itself


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
) -> EncoderDecoder:
    """Load a T5 or BART with its language model's head from a folder or the hub (safetensors only).

    Raises UsageError where it is not one of KINDS, IpgraphError where its files could not be read.
    """
    place, name = require_options(None, device, dtype), named(name)
    folder, commit = locate(name, revision)
    config = read_config(name, folder, commit)
    if config.model_type not in KINDS:
        raise UsageError(f"model {name!r} is not an encoder-decoder of these families: {', '.join(KINDS)}")
    require_safetensors(name, folder, commit)
    architecture = KINDS[config.model_type].architecture
    module = load_weights(name, folder, commit, config, architecture, DTYPES[dtype]).to(place)
    module.set_attn_implementation("eager")  # the others do not return attentions
    digest = commit or digest_of_folder(Path(folder))
    return EncoderDecoder(name, digest, read_tokenizer(name, folder, commit), place, DTYPES[dtype], module)


@torch.no_grad()
def forward(model: EncoderDecoder, source: Tensor, target: Tensor) -> Forward:
    """Run the token ids of a source text [S] and of the decoder's input [T]."""
    out = model.module(
        input_ids=source[None], decoder_input_ids=target[None], output_attentions=True, use_cache=False
    )
    named = {"encoder": out.encoder_attentions, "self": out.decoder_attentions, "cross": out.cross_attentions}
    return Forward(out.logits[0], {name: torch.cat(layers) for name, layers in named.items()})
