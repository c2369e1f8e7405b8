"""Blocks made of blocks: one after the other, side by side, multiplied, with a residual, or per head."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ipgraph.extractor.models.blocks import Block, Saved, tensors


@dataclass(frozen=True)
class Chain:
    """Blocks one after the other."""

    blocks: tuple[Block, ...]

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:
        """Return the last block's value; save what each saved."""
        saved = []
        for block in self.blocks:
            x, kept = block(x, positions)
            saved.append(kept)
        return x, tuple(saved)

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Push the tangent through each block in order."""
        for block, kept in zip(self.blocks, saved, strict=True):
            tangent = block.jvp(kept, tangent)  # type: ignore[arg-type]
        return tangent

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Pull the gradient through each block in reverse."""
        for block, kept in zip(reversed(self.blocks), reversed(saved), strict=True):
            gradient = block.vjp(kept, gradient)  # type: ignore[arg-type]
        return gradient


@dataclass(frozen=True)
class Residual:
    """x + inner(x)."""

    inner: Block

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:
        """Return the sum; save what the inner block saved."""
        value, saved = self.inner(x, positions)
        return value + x, saved

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Return t + J t."""
        return self.inner.jvp(saved, tangent) + tangent

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Return g + g J."""
        return self.inner.vjp(saved, gradient) + gradient


@dataclass(frozen=True)
class Gate:
    """The product of two blocks of the same rows, as in gated feed-forward layers."""

    left: Block
    right: Block

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:
        """Return the product; save both values and what both blocks saved."""
        (left, below_left), (right, below_right) = self.left(x, positions), self.right(x, positions)
        return left * right, ((left, right), below_left, below_right)

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Return the product rule's two terms."""
        values, left, right = saved
        by_left, by_right = self.left.jvp(left, tangent), self.right.jvp(right, tangent)  # type: ignore[arg-type]
        left_value, right_value = tensors(values)  # type: ignore[arg-type]
        return by_left * right_value + left_value * by_right

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Return the gradient through both factors."""
        values, left, right = saved
        left_value, right_value = tensors(values)  # type: ignore[arg-type]
        pulled = self.left.vjp(left, gradient * right_value)  # type: ignore[arg-type]
        return pulled + self.right.vjp(right, gradient * left_value)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Columns:
    """Blocks side by side: each has its own columns of the rows, and keeps their number."""

    sizes: tuple[int, ...]
    blocks: tuple[Block, ...]

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:
        """Return the blocks' values side by side; save what each saved."""
        parts = zip(self.blocks, x.split(self.sizes, -1), strict=True)
        columns, saved = zip(*(block(part, positions) for block, part in parts), strict=True)
        return torch.cat(columns, -1), saved

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Push each block's columns through it."""
        parts = zip(self.blocks, saved, tangent.split(self.sizes, -1), strict=True)
        return torch.cat([block.jvp(kept, part) for block, kept, part in parts], -1)  # type: ignore[arg-type]

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Pull each block's columns back through it."""
        parts = zip(self.blocks, saved, gradient.split(self.sizes, -1), strict=True)
        return torch.cat([block.vjp(kept, part) for block, kept, part in parts], -1)  # type: ignore[arg-type]


@dataclass(frozen=True)
class PerHead:
    """A block, one that does not ask for positions, on each head of the rows' columns by itself."""

    size: int  # units of a head
    inner: Block

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:  # noqa: ARG002
        """Return the heads' values side by side; save what the inner block saved."""
        value, saved = self.inner(x.unflatten(-1, (-1, self.size)))
        return value.flatten(-2), saved

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Push each head through the inner block."""
        return self.inner.jvp(saved, tangent.unflatten(-1, (-1, self.size))).flatten(-2)

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Pull each head back through the inner block."""
        return self.inner.vjp(saved, gradient.unflatten(-1, (-1, self.size))).flatten(-2)
