"""BERT (Devlin et al. 2019): a LayerNorm after each residual, learned positions."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter, Architecture, Layer
from ipgraph.extractor.models.encoders import encoder_adapter, entries, post_norm_layer
from ipgraph.extractor.models.heads import Logits, class_logits, vocabulary_logits


def bert_adapter(model: Any) -> Adapter:
    """Return the adapter of a `BertForMaskedLM`, `BertForPreTraining` or `BertForSequenceClassification`."""
    return encoder_adapter(model.bert.embeddings, bert_layers(model.bert), _logits(model))


def bert_layers(base: Any) -> tuple[Layer, ...]:
    """Return the layers of a model whose modules are called as BERT's."""
    return tuple(_layer(layer) for layer in base.encoder.layer)


def _layer(layer: Any) -> Layer:
    attention, output = layer.attention.self, layer.attention.output
    return post_norm_layer(
        (attention.query, attention.key, attention.value),
        attention.num_attention_heads,
        output.dense,
        (layer.intermediate.dense, layer.intermediate.intermediate_act_fn, layer.output.dense),
        (output.LayerNorm, layer.output.LayerNorm),
    )


def _logits(model: Any) -> Logits:
    if hasattr(model, "cls"):
        head = model.cls.predictions
        return vocabulary_logits(head.transform, head.decoder)
    pooler = model.bert.pooler
    return class_logits(lambda h: model.classifier(pooler.activation(pooler.dense(h))))


_HEAD = "cls.predictions."
ARCHITECTURES = {
    **entries(bert_adapter, "bert", "Bert", _HEAD),
    # Its next-sentence head is not used.
    "BertForPreTraining": Architecture("masked-lm", bert_adapter, "bert", _HEAD, "BertForMaskedLM"),
}
