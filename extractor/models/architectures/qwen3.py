"""Qwen3 (Yang et al. 2025): Llama with a norm of each head's queries and keys, and windows in some layers."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter, Layer
from ipgraph.extractor.models.architectures.llama import (
    gated,
    llama_like,
    mixing_of,
    pre_norm_layer,
    projections,
    rms_norm,
    rotary_of_model,
    turned,
)
from ipgraph.extractor.models.blocks import Rotary
from ipgraph.extractor.models.composites import PerHead
from ipgraph.extractor.models.decoders import entries


def qwen3_adapter(model: Any) -> Adapter:
    """Return the adapter of a `Qwen3ForCausalLM` or `Qwen3ForSequenceClassification`."""
    rotary = rotary_of_model(model)
    return llama_like(model, tuple(_layer(layer, rotary) for layer in model.model.layers))


def _layer(layer: Any, rotary: Rotary) -> Layer:
    attention = layer.self_attn
    mixing = mixing_of(attention, attention.sliding_window)
    norms = (PerHead(mixing.size, rms_norm(norm)) for norm in (attention.q_norm, attention.k_norm))
    turn = turned(mixing, rotary, *norms)
    return pre_norm_layer(layer, mixing, projections(attention), turn, gated(layer.mlp))


ARCHITECTURES = entries(
    qwen3_adapter, "qwen3", causal="Qwen3ForCausalLM", classifier="Qwen3ForSequenceClassification"
)
