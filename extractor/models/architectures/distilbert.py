"""DistilBERT (Sanh et al. 2019): BERT without token types, and with heads of its own."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter, Layer
from ipgraph.extractor.models.encoders import encoder_adapter, entries, post_norm_layer
from ipgraph.extractor.models.heads import Logits, class_logits, vocabulary_logits


def distilbert_adapter(model: Any) -> Adapter:
    """Return the adapter of a `DistilBertForMaskedLM` or `DistilBertForSequenceClassification`."""
    base = model.distilbert
    layers = tuple(_layer(layer) for layer in base.transformer.layer)
    return encoder_adapter(base.embeddings, layers, _logits(model))


def _layer(layer: Any) -> Layer:
    attention, ffn = layer.attention, layer.ffn
    return post_norm_layer(
        (attention.q_lin, attention.k_lin, attention.v_lin),
        attention.n_heads,
        attention.out_lin,
        (ffn.lin1, ffn.activation, ffn.lin2),
        (layer.sa_layer_norm, layer.output_layer_norm),
    )


def _logits(model: Any) -> Logits:
    if not hasattr(model, "vocab_projector"):
        return class_logits(lambda h: model.classifier(model.pre_classifier(h).relu()))
    return vocabulary_logits(
        lambda h: model.vocab_layer_norm(model.activation(model.vocab_transform(h))), model.vocab_projector
    )


ARCHITECTURES = entries(distilbert_adapter, "distilbert", "DistilBert", "vocab_")
