"""One forward pass of a batch at the input itself, with every position of every layer."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.tracing.attention import attend, merge_heads
from ipgraph.extractor.tracing.batch import Batch
from ipgraph.extractor.tracing.trace import Forward


@torch.no_grad()
def embedded(adapter: Adapter, batch: Batch) -> Tensor:
    """Return h^0 at the input, [B, 1, N, H]."""
    words = adapter.words[batch.ids] + adapter.offset(batch.types)
    return adapter.enter(words[:, None])[0]


@torch.no_grad()
def layers_at_input(adapter: Adapter, batch: Batch) -> Iterator[Forward]:
    """Yield what each layer leaves for its tangents, at the input as the only sample."""
    h = embedded(adapter, batch)
    for layer in adapter.layers:
        qkv, before = layer.before(h)
        attention = attend(layer.mixing, qkv, batch.mask)
        h, above = layer.above(merge_heads(attention.context), h)
        yield Forward(layer, attention, before, above)
