"""ELECTRA (Clark et al. 2020): BERT with narrower embeddings; the generator has the vocabulary."""

from typing import Any

from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.architectures.bert import bert_layers
from ipgraph.extractor.models.encoders import dense_classes, encoder_adapter, entries
from ipgraph.extractor.models.heads import Logits, vocabulary_logits


def electra_adapter(model: Any) -> Adapter:
    """Return the adapter of an `ElectraForMaskedLM` or `ElectraForSequenceClassification`."""
    base = model.electra
    projection = getattr(base, "embeddings_project", None)
    return encoder_adapter(base.embeddings, bert_layers(base), _logits(model), projection=projection)


def _logits(model: Any) -> Logits:
    if hasattr(model, "generator_lm_head"):
        return vocabulary_logits(model.generator_predictions, model.generator_lm_head)
    return dense_classes(model.classifier, model.classifier.activation)


ARCHITECTURES = entries(electra_adapter, "electra", "Electra", "generator_")
