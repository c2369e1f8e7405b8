"""Chosen positions of tensors that hold every position: picked out, and put back among the others."""

import torch
from torch import Tensor


def rows_of(index: Tensor, samples: int, positions: int, heads: int = 1) -> Tensor:
    """Return where positions [B, W] lie among flattened rows (b, s, a, n), as [B S A W]."""
    blocks = torch.arange(index.shape[0] * samples * heads, device=index.device) * positions
    return (blocks.view(index.shape[0], -1, 1) + index[:, None]).flatten()


def at(x: Tensor, index: Tensor) -> Tensor:
    """Return x [B, S, A, N, d] at positions [B, W]: [B, S, A, W, d]."""
    b, s, a, n, d = x.shape
    rows = rows_of(index, s, n, a)
    return x.reshape(-1, d).index_select(0, rows).view(b, s, a, -1, d)


def at_positions(x: Tensor, index: Tensor) -> Tensor:
    """Return x [B, S, N, H] at positions [B, W], [B, S, W, H]."""
    return at(x[:, :, None], index)[:, :, 0]


def among(x: Tensor, index: Tensor, positions: int) -> Tensor:
    """Return x [B, S, A, 1, d] at positions [B] among all, the others zero: [B, S, A, N, d]."""
    where = index.view(-1, 1, 1, 1, 1).expand(x.shape)
    return x.new_zeros(*x.shape[:3], positions, x.shape[4]).scatter_(3, where, x)
