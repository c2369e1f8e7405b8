"""What the algorithm needs to know of a model: position-wise blocks around mixing steps, and its logits.

Another architecture is added by one more file in `architectures`, with a function that fills an `Adapter`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ipgraph.extractor.datasets import Task
from ipgraph.extractor.models.blocks import Block, Identity, Saved, tensors


@dataclass(frozen=True)
class Mixing:
    """Softmax attention: how the positions of a layer see each other.

    A position sees itself, as many positions `behind` and `ahead` of it (None: all; causal: ahead 0), and no
    padding. The logits are scale q . k, then cap tanh(logit / cap) where there is a cap, then plus the bias.
    """

    heads: int
    groups: int  # of heads that share their keys and values
    size: int  # units of a head's query, key and value
    scale: float
    behind: int | None = None
    ahead: int | None = None
    cap: float | None = None
    bias: Callable[[int], Tensor] | None = None  # of N positions: [A, N, N], by query and key

    @property
    def widths(self) -> tuple[int, int, int]:
        """The columns of queries, keys and values in what goes into the mixing step."""
        return self.heads * self.size, self.groups * self.size, self.groups * self.size


@dataclass(frozen=True)
class Layer:
    """One layer around its mixing step: h' = after(out(context) + beside(h)), with (q, k, v) = before(h)."""

    before: Block  # [..., H] to [..., (A + 2 G) d]: queries, keys, values, each head after head
    mixing: Mixing
    out: Block  # [..., A d] to [..., H]
    after: Block
    beside: Block = field(default_factory=Identity)

    def above(self, contexts: Tensor, h: Tensor) -> tuple[Tensor, Saved]:
        """Return the layer's output at rows of contexts [..., A d] and h [..., H], and what was saved there.

        No block above the mixing step asks for positions: the rows may be chosen ones.
        """
        mixed, out = self.out(contexts)
        aside, beside = self.beside(h)
        value, after = self.after(mixed + aside)
        return value, (out, beside, after)

    def above_jvp(self, saved: Saved, contexts: Tensor, h: Tensor) -> Tensor:
        """Push tangents of contexts and h to the layer's output."""
        out, beside, after = saved
        mixed = self.out.jvp(out, contexts) + self.beside.jvp(beside, h)  # type: ignore[arg-type]
        return self.after.jvp(after, mixed)  # type: ignore[arg-type]

    def above_vjp(self, saved: Saved, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Pull a gradient at the layer's output back to its contexts and, beside them, to h."""
        out, beside, after = saved
        mixed = self.after.vjp(after, gradient)  # type: ignore[arg-type]
        return self.out.vjp(out, mixed), self.beside.vjp(beside, mixed)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Adapter:
    """A model as position-wise blocks around mixing steps.

    `offset(types)` gives what is added to words of these token types [B, N] and never moves, [B, N, E];
    `enter` maps word embeddings plus offset to the `input` nodes h^0; `logits(h, rows)` maps the target
    position's last embedding [B, S, H] to the logits [B, S, R] of classes or vocabulary entries, rows [B, R]
    (None: all of them).
    """

    words: Tensor  # word embeddings [V, E], as the model takes them for `inputs_embeds`
    max_positions: int
    offset: Callable[[Tensor], Tensor]
    enter: Block
    layers: tuple[Layer, ...]
    logits: Callable[[Tensor, Tensor | None], Tensor]
    reads: Literal["first", "last"] = "first"  # the position whose embedding a classifier reads

    @property
    def heads(self) -> int:
        """The most heads of a layer."""
        return max(layer.mixing.heads for layer in self.layers)

    def from_input(self) -> "Adapter":
        """Return the model from h^0 on: nothing is added to an embedding [B, N, H], which enters as it is."""

        def offset(types: Tensor) -> Tensor:
            return self.words.new_zeros(*types.shape, 1)

        words = self.words.new_zeros(1, self.hidden).expand(len(self.words), -1)
        return replace(self, words=words, offset=offset, enter=Identity())

    @cached_property
    def hidden(self) -> int:
        """Units of an embedding, H."""
        return self.enter(self.words[:1])[0].shape[-1]

    @cached_property
    def saved(self) -> tuple[int, ...]:
        """How many values each layer's blocks save of one position, seen on a row of zeros."""
        return tuple(self._saved(layer) for layer in self.layers)

    @cached_property
    def differentiated(self) -> tuple[int, ...]:
        """How many values of one position autograd holds while it differentiates each layer's activations."""
        return tuple(self._differentiated(layer) for layer in self.layers)

    @torch.no_grad()
    def _saved(self, layer: Layer) -> int:
        h = self.words.new_zeros(1, self.hidden)
        context = self.words.new_zeros(1, layer.mixing.widths[0])
        saved = (layer.before(h)[1], layer.above(context, h)[1])
        return sum(tensor.numel() for tensor in tensors(saved))

    def _differentiated(self, layer: Layer) -> int:
        counts: list[int] = []

        def seen(tensor: Tensor) -> Tensor:
            counts.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
            self._saved(layer)
        return sum(counts)


class Architecture(NamedTuple):
    """What a class of transformers is trained to do, and the function that makes its adapter."""

    task: Task
    adapter: Callable[[Any], Adapter]
    model_type: str  # its family, as configs name it
    head: str  # how the names of its head's weights begin
    loads: str = ""  # the class that its files are loaded as, where that is another
