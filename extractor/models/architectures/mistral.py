"""Mistral (Jiang et al. 2023): Llama, in whose layers positions see a window."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.architectures.llama import llama_layer, llama_like, rotary_of_model
from ipgraph.extractor.models.decoders import entries


def mistral_adapter(model: Any) -> Adapter:
    """Return the adapter of a `MistralForCausalLM` or `MistralForSequenceClassification`."""
    rotary, window = rotary_of_model(model), model.config.sliding_window
    return llama_like(model, tuple(llama_layer(layer, rotary, window) for layer in model.model.layers))


ARCHITECTURES = entries(
    mistral_adapter, "mistral", causal="MistralForCausalLM", classifier="MistralForSequenceClassification"
)
