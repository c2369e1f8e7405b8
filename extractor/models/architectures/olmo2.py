"""OLMo-2 (2024): Llama with norms after each branch, none before, and one over all queries and all keys."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter, Layer
from ipgraph.extractor.models.architectures.llama import (
    gated,
    llama_like,
    mixing_of,
    projections,
    rms_norm,
    rotary_of_model,
    turned,
)
from ipgraph.extractor.models.blocks import Linear, Rotary
from ipgraph.extractor.models.composites import Chain, Residual
from ipgraph.extractor.models.decoders import entries


def olmo2_adapter(model: Any) -> Adapter:
    """Return the adapter of an `Olmo2ForCausalLM` or `Olmo2ForSequenceClassification`."""
    rotary = rotary_of_model(model)
    return llama_like(model, tuple(_layer(layer, rotary) for layer in model.model.layers))


def _layer(layer: Any, rotary: Rotary) -> Layer:
    attention = layer.self_attn
    mixing = mixing_of(attention, None)
    turn = turned(mixing, rotary, rms_norm(attention.q_norm), rms_norm(attention.k_norm))
    return Layer(
        before=Chain((projections(attention), turn)),
        mixing=mixing,
        out=Chain((Linear.of(attention.o_proj), rms_norm(layer.post_attention_layernorm))),
        after=Residual(Chain((gated(layer.mlp), rms_norm(layer.post_feedforward_layernorm)))),
    )


ARCHITECTURES = entries(
    olmo2_adapter, "olmo2", causal="Olmo2ForCausalLM", classifier="Olmo2ForSequenceClassification"
)
