"""Qwen2 (Yang et al. 2024): Llama with biases of queries, keys and values, and windows in some layers."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.architectures.llama import llama_layer, llama_like, rotary_of_model
from ipgraph.extractor.models.decoders import entries


def qwen2_adapter(model: Any) -> Adapter:
    """Return the adapter of a `Qwen2ForCausalLM` or `Qwen2ForSequenceClassification`."""
    rotary, layers = rotary_of_model(model), model.model.layers
    return llama_like(
        model, tuple(llama_layer(layer, rotary, layer.self_attn.sliding_window) for layer in layers)
    )


ARCHITECTURES = entries(
    qwen2_adapter, "qwen2", causal="Qwen2ForCausalLM", classifier="Qwen2ForSequenceClassification"
)
