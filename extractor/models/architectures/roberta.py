"""RoBERTa (Liu et al. 2019), XLM-RoBERTa and CamemBERT: BERT with positions that the padding shifts."""

from typing import Any

import torch
from torch.nn.functional import gelu

from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.architectures.bert import bert_layers
from ipgraph.extractor.models.encoders import dense_classes, encoder_adapter, entries
from ipgraph.extractor.models.heads import Logits, vocabulary_logits


def roberta_adapter(model: Any) -> Adapter:
    """Return the adapter of a `RobertaForMaskedLM`, a `RobertaForSequenceClassification` or a relative."""
    base = model.roberta
    first = base.embeddings.padding_idx + 1
    return encoder_adapter(base.embeddings, bert_layers(base), roberta_logits(model), first=first)


def roberta_logits(model: Any) -> Logits:
    """Return the logits of a model with RoBERTa's heads."""
    if not hasattr(model, "lm_head"):
        return dense_classes(model.classifier, torch.tanh)
    head = model.lm_head
    return vocabulary_logits(lambda h: head.layer_norm(gelu(head.dense(h))), head.decoder)


ARCHITECTURES = {
    **entries(roberta_adapter, "roberta", "Roberta", "lm_head."),
    **entries(roberta_adapter, "xlm-roberta", "XLMRoberta", "lm_head."),
    **entries(roberta_adapter, "camembert", "Camembert", "lm_head."),
}
