"""From a target's last embedding to the logits that a quantity of interest reads, and what they say."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

Logits: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
"""Logits [B, S, R] of embeddings [B, S, H] at rows [B, R], or of all classes or vocabulary entries."""
Quantity: TypeAlias = Callable[[Logits, Tensor, Tensor], Tensor]
"""A quantity of interest [B, S] at the target's last embeddings [B, S, H], of decided logits [B, 2]."""

AT_INPUT = -1
"""A logit of the QoI that is decided at the input: first the predicted class, second the best other one."""
NO_LOGIT = -2
"""No second logit: the QoI is the first alone."""


def vocabulary_logits(
    transform: Callable[[Tensor], Tensor], decoder: Any, cap: float | None = None
) -> Logits:
    """Return the logits of vocabulary entries, only the decoder's rows that the QoI reads.

    Where there is a cap they are cap tanh(logit / cap).
    """

    def logits(h: Tensor, rows: Tensor | None) -> Tensor:
        # Without rows these are [1, V, H] and [1, V], which every sentence shares.
        chosen: Tensor = torch.einsum("bsh,brh->bsr", transform(h), decoder.weight[rows])
        if decoder.bias is not None:
            chosen = chosen + decoder.bias[rows][:, None]
        return chosen if cap is None else cap * (chosen / cap).tanh()

    return logits


def class_logits(classify: Callable[[Tensor], Tensor]) -> Logits:
    """Return the logits of classes: `classify` maps embeddings [B, S, H] to all of them."""

    def logits(h: Tensor, rows: Tensor | None) -> Tensor:
        scores = classify(h)
        if rows is None:
            return scores
        return scores.gather(-1, rows[:, None].expand(-1, scores.shape[1], -1))

    return logits


def qoi(logits: Logits, h: Tensor, qoi_logits: Tensor) -> Tensor:
    """Return the QoI [B, S] at the target's last embeddings [B, S, H]; `qoi_logits` [B, 2] are decided."""
    read = logits(h, qoi_logits.clamp(min=0))
    return read[..., 0] - read[..., 1].masked_fill(qoi_logits[:, 1:] == NO_LOGIT, 0)


def probability(logits: Logits, h: Tensor, qoi_logits: Tensor) -> Tensor:
    """Return softmax's share of the first logit among all classes, or the whole vocabulary, [B, S]."""
    shares = logits(h, None).softmax(-1)
    return shares.gather(-1, qoi_logits[:, None, :1].expand(-1, h.shape[1], -1))[..., 0]


def decided(asked: Tensor, scores: Tensor) -> Tensor:
    """Return the two logits [B, 2] that QoIs read, where `asked` [B, 2] leaves them to the input (AT_INPUT).

    `scores` [B, C] are those of all classes.
    """
    first = torch.where(asked[:, 0] == AT_INPUT, scores.argmax(-1), asked[:, 0])
    others = scores.scatter(-1, first[:, None], -torch.inf)
    return torch.stack([first, torch.where(asked[:, 1] == AT_INPUT, others.argmax(-1), asked[:, 1])], -1)


def is_largest(scores: Tensor, label: Tensor) -> Tensor:
    """Return where a label [B] alone has the largest of the scores [B, S, C] of all classes, [B, S]."""
    index = label[:, None, None].expand(-1, scores.shape[1], 1)
    own, others = scores.gather(-1, index), scores.scatter(-1, index, -torch.inf)
    return (own > others).all(-1)
