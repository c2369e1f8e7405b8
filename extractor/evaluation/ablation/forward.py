"""Ablated accuracy: keep some nodes, replace every other by the zero vector, ask the model again.

Lu et al. 2021, section 4.1, as their code has it: one forward pass at the input itself with the original
weights and mask; layer 0 is zeroed after the embeddings' LayerNorm; a zeroed position can still be attended
to, and its keys and values are then the biases; at the attention level a head's context, before the output
projection, and the residual input are zeroed separately.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ipgraph.extractor.models.adapter import Adapter, Layer
from ipgraph.extractor.tracing.attention import attend
from ipgraph.extractor.tracing.batch import Batch


@dataclass(frozen=True)
class Kept:
    """The nodes kept in R ablations of each sentence; at the embedding level, without `hops`, every hop."""

    embeddings: Tensor  # [B, R, L + 1, N]
    hops: Tensor | None = None  # [B, R, L, N, 1 + A], into each position, the skip first

    def with_first(self) -> "Kept":
        """Return the same with all nodes of position 0, which in a decoder is an attention sink."""
        first = torch.arange(self.embeddings.shape[-1], device=self.embeddings.device) == 0
        hops = None if self.hops is None else self.hops | first[:, None]
        return Kept(self.embeddings | first, hops)


def ablated(adapter: Adapter, batch: Batch, kept: Kept) -> Tensor:
    """Return the target's last embedding in each ablation, [B, R, H].

    What follows a zeroed node is not computed: its value does not matter.
    """
    b, r = kept.embeddings.shape[:2]
    h, _ = adapter.enter(adapter.words[batch.ids] + adapter.offset(batch.types))
    here = kept.embeddings[:, :, 0]
    h = (h[:, None] * here[..., None]).flatten(0, 1)
    mask = batch.mask.repeat_interleave(r, 0)
    for index, layer in enumerate(adapter.layers):
        above = kept.embeddings[:, :, index + 1]
        hops = None if kept.hops is None else kept.hops[:, :, index].flatten(0, 1)
        h = _above(layer, h, mask, here.flatten(0, 1), above.flatten(0, 1), hops)
        here = above
    target = batch.target.repeat_interleave(r, 0)
    return h[torch.arange(b * r, device=h.device), target].view(b, r, -1)


def _above(layer: Layer, h: Tensor, mask: Tensor, here: Tensor, above: Tensor, hops: Tensor | None) -> Tensor:
    """Return h [R, N, H] above a layer, zero where `above` [R, N] is false, as h is where `here` is."""
    (r, n, _), (kept, wanted) = h.shape, (x.flatten().nonzero()[:, 0] for x in (here, above))
    nothing, _ = layer.before(torch.zeros_like(h[0]))
    qkv = nothing.repeat(r, 1)
    qkv[kept] = layer.before(h.flatten(0, 1)[kept], kept % n)[0]
    context = attend(layer.mixing, qkv.view(r, 1, n, -1), mask).context[:, 0].transpose(1, 2)
    if hops is not None:
        context = context * hops[..., 1:, None]
        h = h * hops[..., :1]
    result = torch.zeros_like(h).flatten(0, 1)
    result[wanted] = layer.above(context.flatten(2).flatten(0, 1)[wanted], h.flatten(0, 1)[wanted])[0]
    return result.view(h.shape)
