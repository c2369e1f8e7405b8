"""ALBERT (Lan et al. 2020): BERT with narrower embeddings, and layers that share their weights."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter, Architecture, Layer
from ipgraph.extractor.models.encoders import encoder_adapter, entries, post_norm_layer
from ipgraph.extractor.models.heads import Logits, class_logits, vocabulary_logits
from ipgraph.graphstore.common.errors import UsageError


def albert_adapter(model: Any) -> Adapter:
    """Return the adapter of a masked language model or of a classifier.

    Raises UsageError where a layer is made of several blocks.
    """
    config, encoder = model.config, model.albert.encoder
    if config.inner_group_num != 1:
        blocks = config.inner_group_num
        raise UsageError(f"the model's layers have {blocks} blocks each (inner_group_num); only 1 is known")
    groups = [_layer(*group.albert_layers) for group in encoder.albert_layer_groups]
    shared = config.num_hidden_layers / len(groups)
    layers = tuple(groups[int(index / shared)] for index in range(config.num_hidden_layers))
    projection = encoder.embedding_hidden_mapping_in
    return encoder_adapter(model.albert.embeddings, layers, _logits(model), projection=projection)


def _layer(layer: Any) -> Layer:
    attention = layer.attention
    return post_norm_layer(
        (attention.query, attention.key, attention.value),
        attention.num_attention_heads,
        attention.dense,
        (layer.ffn, layer.activation, layer.ffn_output),
        (attention.LayerNorm, layer.full_layer_layer_norm),
    )


def _logits(model: Any) -> Logits:
    if hasattr(model, "predictions"):
        head = model.predictions
        return vocabulary_logits(lambda h: head.LayerNorm(head.activation(head.dense(h))), head.decoder)
    base = model.albert
    return class_logits(lambda h: model.classifier(base.pooler_activation(base.pooler(h))))


_HEAD = "predictions."
ARCHITECTURES = {
    **entries(albert_adapter, "albert", "Albert", _HEAD),
    # Its sentence-order head is not used.
    "AlbertForPreTraining": Architecture("masked-lm", albert_adapter, "albert", _HEAD, "AlbertForMaskedLM"),
}
