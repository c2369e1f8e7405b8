"""Sentences of one padded batch, and the samples between a baseline and them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel


@dataclass(frozen=True)
class Batch:
    """Sentences of one padded batch.

    `qoi_logits` are the two classes (or vocabulary entries) whose logits' difference is the QoI; an entry is
    AT_INPUT where it is decided there, and the second is NO_LOGIT where the QoI is the first alone.
    """

    ids: Tensor  # [B, N]
    types: Tensor  # [B, N], token types
    mask: Tensor  # [B, N], True at real tokens
    target: Tensor  # [B]
    qoi_logits: Tensor  # [B, 2]

    def select(self, rows: Tensor) -> "Batch":
        """Return some of the sentences, as long as before."""
        return Batch(*(getattr(self, field.name).index_select(0, rows) for field in fields(self)))

    def alone(self, row: int) -> "Batch":
        """Return one of the sentences, without padding."""
        here, length = slice(row, row + 1), int(self.mask[row].sum())
        ids, types, mask = (tokens[here, :length] for tokens in (self.ids, self.types, self.mask))
        return Batch(ids, types, mask, self.target[here], self.qoi_logits[here])


@dataclass(frozen=True)
class IntegrationPath:
    """The points x_b + a (x - x_b), and the weights of their mean."""

    points: Tensor  # [S]
    weights: Tensor  # [S], sums to 1


@dataclass(frozen=True)
class Baseline:
    """Where the path of every word starts; a first position that is held stays at its own embedding."""

    embedding: Tensor  # [E]
    holds_first: bool = False

    def of(self, words: Tensor) -> Tensor:
        """Return where each of the words [B, N, E] starts, as `Trace` takes it."""
        if not self.holds_first:
            return self.embedding
        return torch.cat([words[:, :1], self.embedding.expand_as(words[:, 1:])], 1)


def pad(model: LoadedModel, sentences: Sequence[Encoded]) -> Batch:
    """Return sentences as one padded batch on the model's device."""
    longest = max(len(sentence.ids) for sentence in sentences)
    filler = model.tokenizer.pad_token_id or 0  # masked, whatever it is

    def padded(rows: list[list[int]], filler: int) -> Tensor:
        filled = [[*row, *[filler] * (longest - len(row))] for row in rows]
        return torch.tensor(filled, device=model.device)

    lengths = torch.tensor([len(sentence.ids) for sentence in sentences], device=model.device)
    return Batch(
        ids=padded([sentence.ids for sentence in sentences], filler),
        types=padded([sentence.types for sentence in sentences], 0),
        mask=torch.arange(longest, device=model.device) < lengths[:, None],
        target=torch.tensor([sentence.target for sentence in sentences], device=model.device),
        qoi_logits=torch.tensor([sentence.qoi_logits for sentence in sentences], device=model.device),
    )
