"""Position-wise blocks with closed forms of their Jacobian products (docs/algorithm.md).

A block maps rows to rows, whatever the leading dimensions. Called, it returns its value and what its
Jacobian needs (`saved`: tensors of the same rows); `jvp` pushes a tangent forward and `vjp` pulls a gradient
back at those rows, or at rows that `take` chose from them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Saved: TypeAlias = "tuple[Tensor | Saved, ...]"


class Block(Protocol):
    """A position-wise map of rows [..., N, n] to rows [..., N, m]."""

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:
        """Return the value at x and what `jvp` and `vjp` need.

        `positions` are those of the rows, as many; without them the rows' last dimension counts them.
        """

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Return the Jacobian times a tangent [..., n]."""

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Return a gradient [..., m] times the Jacobian."""


def take(saved: Saved, rows: Tensor) -> Saved:
    """Return what a block saved of [B, S, N, n] at chosen rows [K] of its B S N."""
    return tuple(
        s.flatten(0, 2).index_select(0, rows) if isinstance(s, Tensor) else take(s, rows) for s in saved
    )


def select(saved: Saved, sentences: Tensor) -> Saved:
    """Return what a block saved of [B, S, N, n] of some of its B sentences."""
    return tuple(
        s.index_select(0, sentences) if isinstance(s, Tensor) else select(s, sentences) for s in saved
    )


def spread(saved: Saved, samples: int) -> Saved:
    """Return what a block saved of one sample, [B, 1, N, n], as that of many equal ones, without a copy."""
    return tuple(
        s.expand(-1, samples, *s.shape[2:]) if isinstance(s, Tensor) else spread(s, samples) for s in saved
    )


def tensors(saved: Saved) -> Iterator[Tensor]:
    """Yield the tensors that a block saved."""
    for s in saved:
        if isinstance(s, Tensor):
            yield s
        else:
            yield from tensors(s)


@dataclass(frozen=True)
class Identity:
    """The rows themselves."""

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:  # noqa: ARG002
        """Return x; nothing needs saving."""
        return x, ()

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:  # noqa: ARG002
        """Return the tangent."""
        return tangent

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:  # noqa: ARG002
        """Return the gradient."""
        return gradient


@dataclass(frozen=True)
class Linear:
    """x W' + b, with weight [m, n] and, if any, a bias [m]."""

    weight: Tensor
    bias: Tensor | None = None

    @classmethod
    def of(cls, module: torch.nn.Linear) -> "Linear":
        """Return a module as a block."""
        return cls(module.weight.detach(), None if module.bias is None else module.bias.detach())

    @classmethod
    def side_by_side(cls, *modules: torch.nn.Linear) -> "Linear":
        """Return modules of the same rows as one block; all have a bias or none has."""
        weight = torch.cat([module.weight.detach() for module in modules])
        biases = [module.bias.detach() for module in modules if module.bias is not None]
        return cls(weight, torch.cat(biases) if biases else None)

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:  # noqa: ARG002
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
    """Layer normalisation over the last dimension: gamma (x - mean) / std and, if any, + beta."""

    weight: Tensor
    bias: Tensor | None
    eps: float

    @classmethod
    def of(cls, module: torch.nn.LayerNorm) -> "LayerNorm":
        """Return a module as a block."""
        return cls(module.weight.detach(), None if module.bias is None else module.bias.detach(), module.eps)

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:  # noqa: ARG002
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
        # The kernel reads rows one after the other, whatever their strides say.
        x, mean, inverse = (s.contiguous() for s in tensors(saved))
        shape, mask = x.shape[-1:], [True, False, False]
        result: Tensor = torch.ops.aten.native_layer_norm_backward(
            t, x, shape, mean, inverse, None, None, mask
        )[0]
        return result


@dataclass(frozen=True)
class RMSNorm:
    """Normalisation by the root of the mean square of the last dimension: gamma x / rms."""

    weight: Tensor
    eps: float

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:  # noqa: ARG002
        """Return the value; save the normalised input and the inverse of the root mean square."""
        inverse = (x.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        normalised = x * inverse
        return normalised * self.weight, (normalised, inverse)

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Return gamma times the normalisation's Jacobian, which is symmetric, times the tangent."""
        return self._normalise(saved, tangent) * self.weight

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Return the normalisation's Jacobian times gamma g."""
        return self._normalise(saved, gradient * self.weight)

    @staticmethod
    def _normalise(saved: Saved, t: Tensor) -> Tensor:
        """Return (t - n mean(n t)) / rms, n the normalised input."""
        normalised, inverse = tensors(saved)
        return (t - normalised * (normalised * t).mean(-1, keepdim=True)) * inverse


@dataclass(frozen=True)
class Activation:
    """An elementwise function, its derivative by one call of autograd so that any function serves."""

    function: Callable[[Tensor], Tensor]

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:  # noqa: ARG002
        """Return the value; save the derivative."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = self.function(x)
            (slope,) = torch.autograd.grad(value.sum(), x)
        return value.detach(), (slope,)

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Return the derivative times the tangent."""
        (slope,) = tensors(saved)
        return tangent * slope

    vjp = jvp


@dataclass(frozen=True)
class Rotary:
    """Rotary position embeddings of heads side by side: the first R units of each turn with the position.

    x cos + rotate(x) sin, where rotate takes the halves (a, b) to (-b, a) (Su et al. 2021, as in GPT-NeoX).
    """

    cos: Tensor  # [positions, R]
    sin: Tensor  # [positions, R]
    size: int  # units of a head

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:
        """Return the value; save each row's position."""
        if positions is None:
            positions = torch.arange(x.shape[-2], device=x.device)
        saved = (positions.expand(x.shape[:-1]),)
        return self.jvp(saved, x), saved

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        """Return the same rotation of the tangent."""
        return self._turn(saved, tangent, 1)

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        """Return the rotation's transpose times the gradient."""
        return self._turn(saved, gradient, -1)

    def _turn(self, saved: Saved, x: Tensor, direction: int) -> Tensor:
        (positions,) = tensors(saved)
        cos, sin = (table[positions][..., None, :] for table in (self.cos, self.sin))
        heads = x.unflatten(-1, (-1, self.size))
        moved, still = heads[..., : cos.shape[-1]], heads[..., cos.shape[-1] :]
        turned = _rotate(moved) * sin if direction > 0 else -_rotate(moved * sin)
        return torch.cat([moved * cos + turned, still], -1).flatten(-2)


def _rotate(x: Tensor) -> Tensor:
    """Return halves (a, b) as (-b, a); the transpose of this map is its negative."""
    first, second = x.chunk(2, -1)
    return torch.cat([-second, first], -1)
