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

    `qoi_logits` are the two classes (or vocabulary entries) whose logits' difference is the QoI; an entry of
    -1 is decided at the input: first the predicted class, second the best other one.
    """

    ids: Tensor  # [B, N]
    mask: Tensor  # [B, N], True at real tokens
    target: Tensor  # [B]
    qoi_logits: Tensor  # [B, 2]

    def select(self, rows: Tensor) -> "Batch":
        """Return some of the sentences, as long as before."""
        return Batch(*(getattr(self, field.name).index_select(0, rows) for field in fields(self)))


@dataclass(frozen=True)
class IntegrationPath:
    """The points x_b + a (x - x_b), and the weights of their mean."""

    points: Tensor  # [S]
    weights: Tensor  # [S], sums to 1


def pad(model: LoadedModel, sentences: Sequence[Encoded]) -> Batch:
    """Return sentences as one padded batch on the model's device."""
    longest = max(len(sentence.ids) for sentence in sentences)
    filler = model.tokenizer.pad_token_id or 0  # masked, whatever it is
    lengths = torch.tensor([len(sentence.ids) for sentence in sentences], device=model.device)
    ids = [[*sentence.ids, *[filler] * (longest - len(sentence.ids))] for sentence in sentences]
    return Batch(
        ids=torch.tensor(ids, device=model.device),
        mask=torch.arange(longest, device=model.device) < lengths[:, None],
        target=torch.tensor([sentence.target for sentence in sentences], device=model.device),
        qoi_logits=torch.tensor([sentence.qoi_logits for sentence in sentences], device=model.device),
    )
