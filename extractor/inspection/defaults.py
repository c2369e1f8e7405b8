"""Where words' paths start unless it is said otherwise."""

from torch import Tensor

from ipgraph.extractor.inspection.sentences import Sentence
from ipgraph.extractor.models.loading import LoadedModel


def default_baseline(model: LoadedModel) -> str:
    """Return "mask" where the tokenizer has such a token, else "mean"."""
    return "mean" if model.tokenizer.mask_token_id is None else "mask"


def holds_first(model: LoadedModel) -> bool:
    """Tell whether position 0 stays at its own embedding: in decoders, whose attention sink it is."""
    return model.adapter.reads == "last"


def starts(model: LoadedModel, sentence: Sentence) -> Tensor:
    """Return where the path of each of a sentence's words starts by default, [N, E]."""
    words = model.adapter.words
    is_mask = default_baseline(model) == "mask"
    baseline = words[model.tokenizer.mask_token_id] if is_mask else words.mean(0)
    start = baseline.repeat(len(sentence.ids), 1)
    if holds_first(model):
        start[0] = words[sentence.ids[0]]
    return start
