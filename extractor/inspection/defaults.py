"""Where words' paths start unless it is said otherwise."""

from torch import Tensor

from ipgraph.extractor.extraction import baselines
from ipgraph.extractor.inspection.sentences import Sentence
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.batch import Baseline


def holds_first(model: LoadedModel) -> bool:
    """Tell whether position 0 stays at its own embedding: in decoders, whose attention sink it is."""
    return model.adapter.reads == "last"


def starts(model: LoadedModel, sentence: Sentence) -> Tensor:
    """Return where the path of each of a sentence's words starts, [N, E]."""
    embedding = baselines.embedding(model, baselines.resolve(model, None))
    words = sentence.embeddings(model)
    return Baseline(embedding, holds_first(model)).of(words[None]).expand(1, *words.shape)[0]
