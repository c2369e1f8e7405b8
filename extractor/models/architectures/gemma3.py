"""Gemma-3 (2025), its text model: Gemma-2 with norms of queries and keys, and angles by type of layer."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter, Layer
from ipgraph.extractor.models.architectures.gemma2 import gemma_layer, gemma_like, gemma_norm
from ipgraph.extractor.models.architectures.llama import mixing_of, turned
from ipgraph.extractor.models.blocks import Rotary
from ipgraph.extractor.models.composites import PerHead
from ipgraph.extractor.models.decoders import entries, rotary_of


def gemma3_adapter(model: Any) -> Adapter:
    """Return the adapter of a `Gemma3ForCausalLM` or `Gemma3TextForSequenceClassification`."""
    base, config = model.model, model.config
    words = base.embed_tokens.weight
    rotary = {
        kind: rotary_of(base.rotary_emb, config, words, config.head_dim, kind)
        for kind in sorted(set(config.layer_types))
    }
    return gemma_like(
        model, tuple(_layer(layer, rotary[layer.self_attn.layer_type]) for layer in base.layers)
    )


def _layer(layer: Any, rotary: Rotary) -> Layer:
    attention = layer.self_attn
    mixing = mixing_of(attention, attention.sliding_window)
    norms = (PerHead(mixing.size, gemma_norm(norm)) for norm in (attention.q_norm, attention.k_norm))
    return gemma_layer(layer, mixing, turned(mixing, rotary, *norms))


ARCHITECTURES = entries(
    gemma3_adapter,
    "gemma3_text",
    causal="Gemma3ForCausalLM",
    classifier="Gemma3TextForSequenceClassification",
)
