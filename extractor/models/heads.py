"""From a target's last embedding to the logits that a quantity of interest reads."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

Logits: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
"""Logits [B, S, R] of embeddings [B, S, H] at rows [B, R], or of all classes."""


def vocabulary_logits(transform: Callable[[Tensor], Tensor], decoder: Any) -> Logits:
    """Return the logits of vocabulary entries: only the decoder's rows that the QoI reads."""

    def logits(h: Tensor, rows: Tensor | None) -> Tensor:
        weight, bias = decoder.weight[rows], decoder.bias[rows]
        chosen: Tensor = torch.einsum("bsh,brh->bsr", transform(h), weight) + bias[:, None]
        return chosen

    return logits


def class_logits(classify: Callable[[Tensor], Tensor]) -> Logits:
    """Return the logits of classes: `classify` maps embeddings [B, S, H] to all of them."""

    def logits(h: Tensor, rows: Tensor | None) -> Tensor:
        scores = classify(h)
        if rows is None:
            return scores
        return scores.gather(-1, rows[:, None].expand(-1, scores.shape[1], -1))

    return logits
