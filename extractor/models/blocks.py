"""Position-wise blocks with closed forms of their Jacobian products (docs/algorithm.md).

A block maps rows to rows, whatever the leading dimensions. Called, it returns its value and what its
Jacobian needs (`saved`: tensors of the same rows); `jvp` pushes a tangent forward and `vjp` pulls a gradient
back at those rows, or at rows that `take` chose from them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Saved: TypeAlias = "tuple[Tensor | Saved, ...]"


class Block(Protocol):
    """A position-wise map of rows [..., n] to rows [..., m]."""

    def __call__(self, x: Tensor) -> tuple[Tensor, Saved]:
        """Return the value at x and what `jvp` and `vjp` need."""

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Return the Jacobian times a tangent [..., n]."""

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Return a gradient [..., m] times the Jacobian."""


def take(saved: Saved, rows: Tensor) -> Saved:
    """Return what a block saved at chosen rows: [R, n] and rows [K] give [K, n]."""
    return tuple(s.index_select(0, rows) if isinstance(s, Tensor) else take(s, rows) for s in saved)


@dataclass(frozen=True)
class Linear:
    """x W' + b, with weight [m, n]."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> tuple[Tensor, Saved]:
        """Return the value; nothing needs saving."""
        return functional.linear(x, self.weight, self.bias), ()

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:  # noqa: ARG002
        """Return W t."""
        return functional.linear(tangent, self.weight)

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:  # noqa: ARG002
        """Return W' g."""
        return gradient @ self.weight


@dataclass(frozen=True)
class LayerNorm:
    """Layer normalisation over the last dimension: gamma (x - mean) / std + beta."""

    weight: Tensor
    bias: Tensor
    eps: float

    def __call__(self, x: Tensor) -> tuple[Tensor, Saved]:
        """Return the value; save the input, its mean and the inverse of its standard deviation."""
        value, mean, inverse = torch.native_layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)
        return value, (x, mean, inverse)

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Return gamma times the normalisation's Jacobian, which is symmetric, times the tangent."""
        return self._normalise(saved, tangent).mul_(self.weight)

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Return the normalisation's Jacobian times gamma g."""
        return self._normalise(saved, gradient * self.weight)

    @staticmethod
    def _normalise(saved: Saved, t: Tensor) -> Tensor:
        """Return (t - mean(t) - n mean(n t)) / std, n the normalised input: torch's own backward."""
        x, mean, inverse = saved
        shape, mask = x.shape[-1:], [True, False, False]  # type: ignore[union-attr]
        result: Tensor = torch.ops.aten.native_layer_norm_backward(
            t, x, shape, mean, inverse, None, None, mask
        )[0]
        return result


@dataclass(frozen=True)
class Activation:
    """An elementwise function, its derivative by one call of autograd so that any function serves."""

    function: Callable[[Tensor], Tensor]

    def __call__(self, x: Tensor) -> tuple[Tensor, Saved]:
        """Return the value; save the derivative."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = self.function(x)
            (slope,) = torch.autograd.grad(value.sum(), x)
        return value.detach(), (slope,)

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Return the derivative times the tangent."""
        (slope,) = saved
        return torch.mul(tangent, slope)  # type: ignore[arg-type]

    vjp = jvp


@dataclass(frozen=True)
class Chain:
    """Blocks one after the other."""

    blocks: tuple[Block, ...]

    def __call__(self, x: Tensor) -> tuple[Tensor, Saved]:
        """Return the last block's value; save what each saved."""
        saved = []
        for block in self.blocks:
            x, kept = block(x)
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

    def __call__(self, x: Tensor) -> tuple[Tensor, Saved]:
        """Return the sum; save what the inner block saved."""
        value, saved = self.inner(x)
        return value + x, saved

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Return t + J t."""
        return self.inner.jvp(saved, tangent) + tangent

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Return g + g J."""
        return self.inner.vjp(saved, gradient) + gradient
