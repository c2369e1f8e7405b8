"""MPNet (Song et al. 2020): RoBERTa without token types, and biases by the distance of query and key."""

from typing import Any

from torch import Tensor

from ipgraph.extractor.models.adapter import Adapter, Layer
from ipgraph.extractor.models.architectures.roberta import roberta_logits
from ipgraph.extractor.models.encoders import encoder_adapter, entries, post_norm_layer


def mpnet_adapter(model: Any) -> Adapter:
    """Return the adapter of an `MPNetForMaskedLM` or `MPNetForSequenceClassification`."""
    base = model.mpnet
    layers = tuple(_layer(layer, base.encoder) for layer in base.encoder.layer)
    first = base.embeddings.padding_idx + 1
    return encoder_adapter(base.embeddings, layers, roberta_logits(model), first=first)


def _layer(layer: Any, encoder: Any) -> Layer:
    attention = layer.attention.attn

    def bias(positions: int) -> Tensor:
        table = encoder.relative_attention_bias.weight
        by_head: Tensor = encoder.compute_position_bias(table.new_empty(1, positions)).detach()[0]
        return by_head

    return post_norm_layer(
        (attention.q, attention.k, attention.v),
        attention.num_attention_heads,
        attention.o,
        (layer.intermediate.dense, layer.intermediate.intermediate_act_fn, layer.output.dense),
        (layer.attention.LayerNorm, layer.output.LayerNorm),
        bias,
    )


ARCHITECTURES = entries(mpnet_adapter, "mpnet", "MPNet", "lm_head.")
