"""Each layer's attention block as a sum of one vector per token (Ferrando et al. 2022, ALTI, section 3).

With a norm's statistics held at their actual values it is linear: L_i x = gamma (x - mean x) / s_i (RMSNorm:
gamma x / s_i). The block's output y_i, at position i, is then exactly a sum over tokens j and a bias:

    T_i(x_j) = L_i [ sum_h a^h_ij W_O^h v^h_j + (i = j) x_i ],    y_i = sum_j T_i(x_j) + L_i b_O + beta

with the values v as the layer has them, their bias included. In cross-attention the tokens j are those of an
encoder, and the residual x_i is a source of its own, after them. By layout (`layouts.KINDS`):

- post-norm (the paper): L is the norm after the residual.
- pre-norm (the authors' later code for GPT-2; by the same form Llama, ModernBERT, OLMo-2, Gemma): no L; a
  norm on the attention's output, where there is one, is linear in the same way.
- parallel (our reading): no L, and the residual x_i is what is beside the heads: h_i + feed-forward(h_i).

Otherwise the feed-forward is left out, as in the paper. B sentences, N positions, J sources (as many, except
in cross-attention), A heads, H units.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from ipgraph.extractor.methods.decomposition.layouts import Layout, Norm, layout_of
from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.blocks import LayerNorm, Linear, Saved, tensors
from ipgraph.extractor.tracing.attention import Attention, attend, merge_heads
from ipgraph.extractor.tracing.batch import Batch
from ipgraph.extractor.tracing.forward import embedded


@dataclass(frozen=True)
class Vectors:
    """A block: T_i(x_j) = sum_h weights_ji^h (values_j^h projection^h) + (j = owner of i) residual_i.

    Norms are in the projection, and their 1 / s_i in the weights.
    """

    weights: Tensor  # [B, J, N, A], of source j, then destination i
    values: Tensor  # [B, J, A, d], of sources
    projection: Tensor  # [A, d, H]
    residual: Tensor  # [B, N, H]
    owners: tuple[
        int, ...
    ]  # [N], the source that each residual is: the position, the last of cross-attention
    bias: Tensor  # [B, N, H], of no token
    output: Tensor  # [B, N, H], y

    @cached_property
    def owned(self) -> Tensor:
        """Where a source is a destination's residual, [N, J]."""
        device = self.weights.device
        owners = torch.tensor(self.owners, device=device)
        return owners[:, None] == torch.arange(self.weights.shape[1], device=device)

    @cached_property
    def parts(self) -> Tensor:
        """What each head has of each source to send, [B, J, A, H]."""
        rows = self.values.flatten(0, 1).transpose(0, 1)
        sent = torch.bmm(rows, self.projection).transpose(0, 1)
        parts: Tensor = sent.unflatten(0, self.values.shape[:2])
        return parts

    def of(self, sentences: slice, sources: slice) -> Tensor:
        """Return T [B', J', N, H] of some sentences and some sources j of theirs, then destinations i."""
        weights, parts = self.weights[sentences, sources], self.parts[sentences, sources]
        sums = torch.bmm(weights.flatten(0, 1), parts.flatten(0, 1))
        vectors: Tensor = sums.unflatten(0, weights.shape[:2])
        here = range(self.weights.shape[1])[sources]
        i = [place for place, owner in enumerate(self.owners) if owner in here]
        j = [self.owners[place] - here.start for place in i]
        vectors[:, j, i] += self.residual[sentences, i]
        return vectors

    def through(self, norm: Norm, saved: Saved, output: Tensor) -> "Vectors":
        """Return the vectors behind a norm that saved `saved` and gave `output`, its statistics held."""
        *_, inverse = tensors(saved)
        scale = inverse[:, 0]  # 1 / s_i, [B, N, 1]
        bias = _gained(norm, self.bias) * scale
        return replace(
            self,
            weights=self.weights * scale[:, None],
            projection=_gained(norm, self.projection),
            residual=_gained(norm, self.residual) * scale,
            bias=bias + norm.bias if isinstance(norm, LayerNorm) and norm.bias is not None else bias,
            output=output,
        )


@torch.no_grad()
def block_vectors(adapter: Adapter, batch: Batch, *, to_end: bool = False) -> Iterator[Vectors]:
    """Yield each layer's block at the input; raises UsageError where a layer's layout is not known.

    With `to_end` the vectors pass the norm at the layer's end, too: `output` is then the layer's, which
    they no longer add up to, since the feed-forward is left out.
    """
    layouts = [layout_of(layer) for layer in adapter.layers]
    h = embedded(adapter, batch)
    for layer, layout in zip(adapter.layers, layouts, strict=True):
        attention = attend(layer.mixing, layer.before(h)[0], batch.mask)
        mixed, inner = layer.out(merge_heads(attention.context))
        beside = layer.beside(h)[0]
        whole = mixed + beside
        h, after = layer.after(whole)
        vectors = _heads(attention, layout, inner)
        vectors = replace(vectors, residual=beside[:, 0], output=whole[:, 0])
        if layout.first is not None:
            vectors = vectors.through(layout.first, after[0], layout.first(whole)[0][:, 0])  # type: ignore[arg-type]
        if to_end and layout.last is not None:
            vectors = vectors.through(layout.last, after[-1], h[:, 0])  # type: ignore[arg-type]
        yield vectors


def of_heads(weights: Tensor, values: Tensor, projection: Linear, *, is_cross: bool = False) -> Vectors:
    """Return what the heads send, by weights [B, A, N, J] and values [B, J, A, d], without a residual.

    With `is_cross` the residual is to be one more source, the last, of which the heads send nothing.
    """
    owners = tuple(range(weights.shape[2]))
    if is_cross:
        owners = (weights.shape[3],) * len(owners)
        weights, values = functional.pad(weights, (0, 1)), functional.pad(values, (0, 0, 0, 0, 0, 1))
    none = values.new_zeros(len(weights), len(owners), len(projection.weight))
    return Vectors(
        weights=weights.permute(0, 3, 2, 1).contiguous(),
        values=values,
        projection=projection.weight.T.unflatten(0, values.shape[2:]),
        residual=none,
        owners=owners,
        bias=none if projection.bias is None else projection.bias.expand_as(none),
        output=none,
    )


def _heads(attention: Attention, layout: Layout, saved: Saved) -> Vectors:
    """Return what a layer's heads send, behind the norms on the attention's output."""
    mixing = attention.mixing
    values = attention.v[:, 0].repeat_interleave(mixing.heads // mixing.groups, 1).transpose(1, 2)
    vectors = of_heads(attention.p[:, 0], values, layout.projection)
    for norm, kept in zip(layout.inner, saved[1:], strict=True):
        vectors = vectors.through(norm, kept, vectors.output)  # type: ignore[arg-type]
    return vectors


def _gained(norm: Norm, x: Tensor) -> Tensor:
    """Return what a norm makes of rows, but for its statistics and bias."""
    return (x - x.mean(-1, keepdim=True) if isinstance(norm, LayerNorm) else x) * norm.weight
