"""ModernBERT (Warner et al. 2024): norms before each branch, rotary positions, a gate, windows."""

from typing import Any

import torch

from ipgraph.extractor.models.adapter import Adapter, Layer, Mixing
from ipgraph.extractor.models.architectures.llama import turned
from ipgraph.extractor.models.blocks import Activation, Block, Identity, LayerNorm, Linear, Rotary
from ipgraph.extractor.models.composites import Chain, Gate, Residual
from ipgraph.extractor.models.decoders import positions_of, rotary_of
from ipgraph.extractor.models.encoders import entries
from ipgraph.extractor.models.heads import Logits, class_logits, vocabulary_logits
from ipgraph.graphstore.common.errors import UsageError


def modernbert_adapter(model: Any) -> Adapter:
    """Return the adapter of a `ModernBertForMaskedLM` or `ModernBertForSequenceClassification`.

    Raises UsageError for a classifier that reads other than the first position.
    """
    base, config = model.model, model.config
    words, size = base.embeddings.tok_embeddings.weight.detach(), base.layers[0].attn.head_dim
    kinds = sorted(set(config.layer_types))
    rotary = {kind: rotary_of(base.rotary_emb, config, words, size, kind) for kind in kinds}
    return Adapter(
        words=words,
        max_positions=positions_of(config),
        offset=lambda types: words.new_zeros(*types.shape, words.shape[1]),
        enter=LayerNorm.of(base.embeddings.norm),
        layers=tuple(_layer(layer, rotary[layer.attention_type]) for layer in base.layers),
        logits=_logits(model),
    )


def _layer(layer: Any, rotary: Rotary) -> Layer:
    attention, window = layer.attn, layer.attn.sliding_window
    heads, size = attention.config.num_attention_heads, attention.head_dim
    reach = None if window is None else window - 1  # on either side
    mixing = Mixing(heads=heads, groups=heads, size=size, scale=size**-0.5, behind=reach, ahead=reach)
    has_norm = isinstance(layer.attn_norm, torch.nn.LayerNorm)  # the first layer has none
    norm: Block = LayerNorm.of(layer.attn_norm) if has_norm else Identity()
    return Layer(
        before=Chain((norm, Linear.of(attention.Wqkv), turned(mixing, rotary))),
        mixing=mixing,
        out=Linear.of(attention.Wo),
        after=Residual(Chain((LayerNorm.of(layer.mlp_norm), _feed_forward(layer.mlp)))),
    )


def _feed_forward(mlp: Any) -> Chain:
    whole = Linear.of(mlp.Wi)
    biases = (None, None) if whole.bias is None else whole.bias.chunk(2)
    gated, gate = map(Linear, whole.weight.chunk(2), biases)
    return Chain((Gate(Chain((gated, Activation(mlp.act))), gate), Linear.of(mlp.Wo)))


def _logits(model: Any) -> Logits:
    norm, head = model.model.final_norm, model.head
    if hasattr(model, "decoder"):
        return vocabulary_logits(lambda h: head(norm(h)), model.decoder)
    if (pooling := model.config.classifier_pooling) != "cls":
        raise UsageError(
            f"the model's classifier reads the {pooling} of all positions (classifier_pooling), and a path "
            "ends at one position; use a classifier that reads the first"
        )
    return class_logits(lambda h: model.classifier(head(norm(h))))


ARCHITECTURES = entries(modernbert_adapter, "modernbert", "ModernBert", "decoder.")
