"""Blank-out: by how much the quantity of interest falls where one token's word is replaced.

The score of token i is q(x) - q(x with i replaced). Abnar & Zuidema (2020, 5) compare attention with it, with
UNK in the place of words. Here it is the embedding of the baseline, by default [MASK] where the model has a
mask token; a decoder's first position is held, and its score is 0. Positions and types stay. Every token is
replaced in turn, [CLS] and [SEP] too; in the place of [MASK] the score of a [MASK] is 0.

It is the model of transformers that is run, of any family: N + 1 rows per text of N tokens, texts of one
length together.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ipgraph.extractor.methods.attributions import Asked, Attributed, AttributionMethod, Floats, floats
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.heads import class_logits, decided, probability, qoi
from ipgraph.extractor.models.loading import Model
from ipgraph.extractor.models.texts import Text, arguments, of_one_length, text_of
from ipgraph.extractor.tracing.batch import Baseline
from ipgraph.extractor.tracing.memory import out_of_memory_as_error

_LOGITS = 2**26
"""Logits of a vocabulary that are computed at once, of all positions of some rows."""
_TOKENS = 2**13
"""Tokens of those rows: more gain nothing on a CPU."""


def blank_out(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    """Return the scores of each sentence's tokens; the QoI's logits are decided at the whole text.

    Raises IpgraphError where memory does not suffice.
    """
    texts = [text_of(sentence) for sentence in sentences]
    device = asked.model.device
    targets = torch.tensor([sentence.target - sentence.sources for sentence in sentences], device=device)
    qoi_logits = torch.tensor([sentence.qoi_logits for sentence in sentences], device=device)
    found: dict[int, Attributed] = {}
    with out_of_memory_as_error(asked.model):
        for numbers in of_one_length(texts, 1 if _is_one_by_one(asked.model) else None):
            group = [texts[number] for number in numbers]
            scores = differences(asked, group, targets[numbers], qoi_logits[numbers])
            found |= {number: Attributed(row) for number, row in zip(numbers, scores, strict=True)}
    return [found[number] for number in range(len(sentences))]


@torch.no_grad()
def differences(asked: Asked, texts: Sequence[Text], targets: Tensor, qoi_logits: Tensor) -> Floats:
    """Return how much the QoI falls without each token [T, N], an encoder's before those of its decoder.

    The T texts have one length; `targets` [T] are the positions of a language model's logits, in an
    encoder-decoder among its decoder's; `qoi_logits` are [T, 2].
    """
    model, every = asked.model, torch.arange(len(texts), device=asked.model.device)
    whole = _logits(model, texts, targets)
    chosen = decided(qoi_logits, whole)
    quantity = probability if asked.is_probability else qoi

    def value(logits: Tensor, rows: Tensor) -> Tensor:
        return quantity(class_logits(lambda h: h), logits[:, None], chosen[rows])[:, 0]

    start, scores = value(whole, every), []
    for embedding, tokens in _stacks(model.module, texts[0]):
        rows, positions = torch.cartesian_prod(every, torch.arange(tokens, device=model.device)).T
        values, size = [], _rows_at_once(model, tokens, len(embedding.weight))
        for some, places in zip(rows.split(size), positions.split(size), strict=True):
            blanked = [texts[row] for row in some.tolist()]
            with _replaced(embedding, places, asked.baseline):
                values.append(value(_logits(model, blanked, targets[some]), some))
        scores.append(start[:, None] - torch.cat(values).view(-1, tokens))
    return floats(torch.cat(scores, 1))


def _logits(model: Model, texts: Sequence[Text], targets: Tensor) -> Tensor:
    """Return the logits [T, C] of texts of one length, a language model's at the targets."""
    logits: Tensor = model.module(**arguments(model.module, texts)).logits
    if logits.dim() == 2:
        return logits
    return logits[torch.arange(len(texts), device=logits.device), targets]


def _stacks(module: Any, text: Text) -> list[tuple[Any, int]]:
    """Return what embeds the words of each stack, an encoder before its decoder, and how many it embeds."""
    if not module.config.is_encoder_decoder:
        return [(module.get_input_embeddings(), len(text.ids))]
    stacks = ((module.get_encoder(), text.ids), (module.get_decoder(), text.continuation))
    return [(stack.get_input_embeddings(), len(ids)) for stack, ids in stacks]


def _is_one_by_one(model: Model) -> bool:
    """Tell whether transformers does not know where the rows of a batch end."""
    return model.task == "classifier" and model.padding is None


def _rows_at_once(model: Model, tokens: int, vocabulary: int) -> int:
    if _is_one_by_one(model):
        return 1
    return max(1, min(_TOKENS // tokens, _LOGITS // (tokens * vocabulary)))


@contextmanager
def _replaced(embedding: Any, positions: Tensor, baseline: Baseline) -> Iterator[None]:
    """Replace one word in each row, at these positions."""
    rows = torch.arange(len(positions), device=positions.device)

    def replace(_module: Any, _inputs: Any, words: Tensor) -> Tensor:
        changed = words.clone()
        changed[rows, positions] = baseline.of(words).expand_as(words)[rows, positions]
        return changed

    hook = embedding.register_forward_hook(replace)
    try:
        yield
    finally:
        hook.remove()


BLANK_OUT = AttributionMethod(blank_out)
