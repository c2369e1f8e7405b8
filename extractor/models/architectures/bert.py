"""BERT (Devlin et al. 2019): a LayerNorm after each residual, learned positions."""

from typing import Any

import torch

from ipgraph.extractor.models.adapter import Adapter, Architecture, Layer, Mixing
from ipgraph.extractor.models.blocks import Activation, LayerNorm, Linear
from ipgraph.extractor.models.composites import Chain, Residual
from ipgraph.extractor.models.heads import Logits, class_logits, vocabulary_logits


def bert_adapter(model: Any) -> Adapter:
    """Return the adapter of a `BertForMaskedLM`, `BertForPreTraining` or `BertForSequenceClassification`."""
    embeddings = model.bert.embeddings
    return Adapter(
        words=embeddings.word_embeddings.weight.detach(),
        max_positions=model.config.max_position_embeddings,
        offset=lambda types: (
            embeddings.position_embeddings.weight[: types.shape[1]]
            + embeddings.token_type_embeddings.weight[types]
        ).detach(),
        enter=LayerNorm.of(embeddings.LayerNorm),
        layers=tuple(_layer(layer) for layer in model.bert.encoder.layer),
        logits=_logits(model),
    )


def _layer(layer: Any) -> Layer:
    attention = layer.attention.self
    projections = (attention.query, attention.key, attention.value)
    heads, size = attention.num_attention_heads, attention.attention_head_size
    feed_forward = Chain(
        (
            Linear.of(layer.intermediate.dense),
            Activation(layer.intermediate.intermediate_act_fn),
            Linear.of(layer.output.dense),
        )
    )
    return Layer(
        before=Linear(
            torch.cat([p.weight for p in projections]).detach(),
            torch.cat([p.bias for p in projections]).detach(),
        ),
        mixing=Mixing(heads=heads, groups=heads, size=size, scale=size**-0.5),
        out=Linear.of(layer.attention.output.dense),
        after=Chain(
            (
                LayerNorm.of(layer.attention.output.LayerNorm),
                Residual(feed_forward),
                LayerNorm.of(layer.output.LayerNorm),
            )
        ),
    )


def _logits(model: Any) -> Logits:
    if hasattr(model, "cls"):
        head = model.cls.predictions
        return vocabulary_logits(head.transform, head.decoder)
    pooler = model.bert.pooler
    return class_logits(lambda h: model.classifier(pooler.activation(pooler.dense(h))))


_LM_HEAD, _CLASSIFIER = "cls.predictions.", "classifier."
ARCHITECTURES = {
    "BertForMaskedLM": Architecture("masked-lm", bert_adapter, "bert", _LM_HEAD),
    # Its next-sentence head is not used.
    "BertForPreTraining": Architecture("masked-lm", bert_adapter, "bert", _LM_HEAD, "BertForMaskedLM"),
    "BertForSequenceClassification": Architecture("classifier", bert_adapter, "bert", _CLASSIFIER),
}
