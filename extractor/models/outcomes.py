"""What a model says of sentences, through the Hugging Face model itself: of any family, without a trace."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.files import quiet
from ipgraph.extractor.models.heads import NO_LOGIT, decided, is_largest
from ipgraph.extractor.models.loading import Model
from ipgraph.extractor.models.texts import Text, arguments, of_one_length, text_of
from ipgraph.graphstore.common.errors import IpgraphError

_VALUES = 2**26
"""Logits that are in memory at once."""


@dataclass(frozen=True)
class Outcome:
    """What a model says of one sentence."""

    qoi: float
    qoi_logits: tuple[int, int]  # the classes or vocabulary entries that the QoI reads; NO_LOGIT second: none
    label: int  # the right class, the predicted one where none is given; -1 where no class is right
    is_correct: bool  # the model prefers what is right; so is all of which nothing is known
    class_logits: tuple[float, ...]  # of a classifier, () of a language model


@torch.no_grad()
def outcomes(model: Model, sentences: Sequence[Encoded], *, is_probability: bool = False) -> list[Outcome]:
    """Return what a model says of sentences, in their order.

    The QoI is the difference of the two logits that a sentence names, decided at the input where it says so,
    or with `is_probability` the softmax's share of the first. Raises IpgraphError for a QoI that is not
    finite.
    """
    texts = [text_of(sentence) for sentence in sentences]
    found: dict[int, Outcome] = {}
    for numbers in _groups(model, texts):
        batch = [sentences[number] for number in numbers]
        scores = _scores(model, [texts[number] for number in numbers], batch)
        found |= zip(numbers, _outcomes(model, batch, scores, is_probability=is_probability), strict=True)
    return [found[number] for number in range(len(sentences))]


def judged(model: Model, sentences: Sequence[Encoded], qoi: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return each sentence's class, the predicted one where it has no label, and whether it is preferred.

    `scores` [B, C] are a classifier's of all classes; `qoi` [B] judges a language model. Where outputs are
    not classes that exclude each other, no class is right: -1, and nothing is judged.
    """
    if not model.classes:
        return torch.full_like(qoi, -1, dtype=torch.long), qoi > 0
    given = torch.tensor([sentence.label for sentence in sentences], device=scores.device)
    if model.outputs != "exclusive":
        return torch.full_like(given, -1), torch.ones_like(given, dtype=torch.bool)
    labels = torch.where(given < 0, scores.argmax(-1), given)
    return labels, is_largest(scores[:, None], labels)[:, 0] | (given < 0)


def not_finite(sentence: Encoded) -> IpgraphError:
    """Return the error for a sentence of which the model gave NaN or infinity."""
    return IpgraphError(
        f"the model gave NaN or infinite values for instance {sentence.instance.id} "
        f"({sentence.instance.text!r}); its weights may be broken, or too large for its dtype"
    )


def _groups(model: Model, texts: Sequence[Text]) -> Iterator[list[int]]:
    """Yield the numbers of texts to run together: as many as logits in memory allow.

    Without a token for padding, a classifier that reads the last position takes one text at a time.
    """
    longest = max((len(text.ids) + len(text.continuation) for text in texts), default=1)
    at_once = max(1, _VALUES // (longest * model.vocabulary))
    return of_one_length(texts, 1 if model.task == "classifier" and model.padding is None else at_once)


def _scores(model: Model, texts: Sequence[Text], batch: Sequence[Encoded]) -> Tensor:
    """Return all logits [B, C] at the targets of sentences of one length."""
    with quiet():
        logits: Tensor = model.module(**arguments(model.module, texts)).logits
    if logits.dim() == 2:
        return logits
    targets = torch.tensor([sentence.target - sentence.sources for sentence in batch], device=logits.device)
    return logits[torch.arange(len(batch), device=logits.device), targets]


def _outcomes(
    model: Model, batch: Sequence[Encoded], scores: Tensor, *, is_probability: bool
) -> Iterator[Outcome]:
    asked = torch.tensor([sentence.qoi_logits for sentence in batch], device=scores.device)
    rows = decided(asked, scores)
    chosen = scores.gather(1, rows.clamp(min=0))
    difference = chosen[:, 0] - chosen[:, 1].masked_fill(rows[:, 1] == NO_LOGIT, 0)
    qoi = scores.softmax(-1).gather(1, rows[:, :1])[:, 0] if is_probability else difference
    labels, is_correct = judged(model, batch, difference, scores)
    if is_probability:
        rows[:, 1] = NO_LOGIT
    columns = (qoi, rows, labels, is_correct, scores if model.classes else scores[:, :0])
    values = zip(batch, *(column.tolist() for column in columns), strict=True)
    for sentence, value, (first, second), label, is_right, class_logits in values:
        if not isfinite(value):
            raise not_finite(sentence)
        yield Outcome(value, (first, second), label, is_right, tuple(class_logits))
