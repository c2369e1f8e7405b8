"""Gemma-2 (2024): norms on both sides of each branch, scaled words, soft caps, windows in half the layers."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter, Layer, Mixing
from ipgraph.extractor.models.architectures.llama import (
    gated,
    mixing_of,
    projections,
    rotary_of_model,
    turned,
)
from ipgraph.extractor.models.blocks import Block, Linear, RMSNorm, Rotary
from ipgraph.extractor.models.composites import Chain, Residual
from ipgraph.extractor.models.decoders import decoder_adapter, entries


def gemma2_adapter(model: Any) -> Adapter:
    """Return the adapter of a `Gemma2ForCausalLM` or `Gemma2ForSequenceClassification`."""
    rotary = rotary_of_model(model)
    return gemma_like(model, tuple(_layer(layer, rotary) for layer in model.model.layers))


def _layer(layer: Any, rotary: Rotary) -> Layer:
    attention = layer.self_attn
    mixing = mixing_of(attention, attention.sliding_window, attention.attn_logit_softcapping)
    return gemma_layer(layer, mixing, turned(mixing, rotary))


def gemma_like(model: Any, layers: tuple[Layer, ...]) -> Adapter:
    """Return the adapter of a model that has Gemma's words, final norm and head around its layers."""
    base = model.model
    weight = base.embed_tokens.weight.detach()
    return decoder_adapter(
        model,
        words=weight * base.embed_tokens.embed_scale.to(weight),
        layers=layers,
        norm=gemma_norm(base.norm),
        cap=model.config.final_logit_softcapping,
    )


def gemma_layer(layer: Any, mixing: Mixing, turn: Block) -> Layer:
    """Return a layer with norms on both sides of each branch."""
    attention = layer.self_attn
    feed_forward = (
        gemma_norm(layer.pre_feedforward_layernorm),
        gated(layer.mlp),
        gemma_norm(layer.post_feedforward_layernorm),
    )
    return Layer(
        before=Chain((gemma_norm(layer.input_layernorm), projections(attention), turn)),
        mixing=mixing,
        out=Chain((Linear.of(attention.o_proj), gemma_norm(layer.post_attention_layernorm))),
        after=Residual(Chain(feed_forward)),
    )


def gemma_norm(module: Any) -> RMSNorm:
    """Return an RMSNorm module that stores its gain less 1."""
    return RMSNorm(1 + module.weight.detach(), module.eps)


ARCHITECTURES = entries(
    gemma2_adapter, "gemma2", causal="Gemma2ForCausalLM", classifier="Gemma2ForSequenceClassification"
)
