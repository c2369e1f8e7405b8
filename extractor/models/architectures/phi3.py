"""Phi-3 (Abdin et al. 2024): Llama with q, k, v in one map, gate and up in another; windows."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter, Layer
from ipgraph.extractor.models.architectures.llama import (
    llama_like,
    mixing_of,
    pre_norm_layer,
    rotary_of_model,
    turned,
)
from ipgraph.extractor.models.blocks import Activation, Linear, Rotary
from ipgraph.extractor.models.composites import Chain, Gate
from ipgraph.extractor.models.decoders import entries


def phi3_adapter(model: Any) -> Adapter:
    """Return the adapter of a `Phi3ForCausalLM` or `Phi3ForSequenceClassification`."""
    rotary = rotary_of_model(model)
    return llama_like(model, tuple(_layer(layer, rotary) for layer in model.model.layers))


def _layer(layer: Any, rotary: Rotary) -> Layer:
    attention = layer.self_attn
    mixing = mixing_of(attention, attention.config.sliding_window)
    qkv, turn = Linear.of(attention.qkv_proj), turned(mixing, rotary)
    return pre_norm_layer(layer, mixing, qkv, turn, _feed_forward(layer.mlp))


def _feed_forward(mlp: Any) -> Chain:
    gate, up = mlp.gate_up_proj.weight.detach().chunk(2)
    gates = Gate(Chain((Linear(gate), Activation(mlp.activation_fn))), Linear(up))
    return Chain((gates, Linear.of(mlp.down_proj)))


ARCHITECTURES = entries(
    phi3_adapter, "phi3", causal="Phi3ForCausalLM", classifier="Phi3ForSequenceClassification"
)
