"""Hidden token attribution: the input tokens in every hidden state and every head's output, by Jacobians.

Brunner et al. 2020 ("On Identifiability in Transformers"), as Pascual et al. 2021 ("Telling BERT's full
story") use it: c_ij = |do_i/dx_j| / sum_k |do_i/dx_k|, where x_j = h^0_j at the real input, and o_i is a
layer's output h^l_i or a head's context vector, before the output projection. No source names the norm: here
it is Frobenius'. A layer's output is that of its blocks: the final norm of a pre-norm model is not in it.

One tangent per token and unit of h^0 moves through all layers and gives a column of every Jacobian. Each
sentence is by itself: it has tangents enough, and no padding to move. Defined for every model that has an
adapter.

A sentence has N positions, A heads of d units, and embeddings of H units; S tangents move at once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.blocks import Block, Identity, Saved, spread
from ipgraph.extractor.tracing.attention import merge_heads
from ipgraph.extractor.tracing.batch import Batch
from ipgraph.extractor.tracing.forward import embedded, layers_at_input
from ipgraph.extractor.tracing.trace import Forward

_VALUES = 2**23
"""Queries, keys and values of the tangents that move at once: more gain nothing on a CPU."""
_MATRIX_BYTES = 2**31
"""What the Jacobians of all layers and positions may take; without them the time doubles."""


@dataclass(frozen=True)
class HiddenTokens:
    """A sentence's attributions by layer, destination and input token.

    Rows sum to 1; one that no input moves, as that of a head whose values are constant, has zeros.
    """

    hidden: Tensor  # [L, N, N], of h^1 to h^L
    heads: tuple[Tensor, ...]  # by layer [A, N, N], of the contexts: the "global" view
    attention: tuple[Tensor, ...]  # by layer [A, N, N], over positions of the layer before: the "local" view


def hidden_tokens(adapter: Adapter, batch: Batch, *, times_input: bool = False) -> list[HiddenTokens]:
    """Return the attributions of each sentence; with `times_input`, of |J diag(x_j)|."""
    rows = range(len(batch.ids))
    return [_of_sentence(adapter, batch.alone(row), times_input=times_input) for row in rows]


@torch.no_grad()
def _of_sentence(adapter: Adapter, sentence: Batch, *, times_input: bool) -> HiddenTokens:
    start, forward = embedded(adapter, sentence), list(layers_at_input(adapter, sentence))
    n, hidden = start.shape[2:]
    at_once = max(1, _VALUES // (n * max(sum(f.layer.mixing.widths) for f in forward)))
    matrix_bytes = len(forward) * n * hidden**2 * start.element_size()
    layers = [_Tangents(f, start, at_once if matrix_bytes <= _MATRIX_BYTES else 0) for f in forward]
    squares = [start.new_zeros(f.layer.mixing.heads + 1, n, n) for f in forward]
    for columns in torch.arange(n * hidden, device=start.device).split(at_once):
        source, unit = columns // hidden, columns % hidden
        tangents = start.new_zeros(1, len(columns), n, hidden)
        tangents[0, columns - columns[0], source, unit] = start[0, 0, source, unit] if times_input else 1.0
        for layer, total in zip(layers, squares, strict=True):
            contexts, tangents = layer(tangents)
            moved = torch.cat([contexts.square().sum(-1), tangents.square().sum(-1)[:, :, None]], 2)
            total.index_add_(2, source, moved[0].permute(1, 2, 0))
    shares = [_shares(total.sqrt()) for total in squares]
    heads, states = [s[:-1] for s in shares], [s[-1] for s in shares]
    return HiddenTokens(torch.stack(states), tuple(heads), tuple(f.attention.p[0, 0] for f in forward))


class _Tangents:
    """A layer that pushes tangents [1, S, N, H] of a sentence."""

    def __init__(self, forward: Forward, h: Tensor, at_once: int):
        """Prepare for embeddings like h [1, 1, N, H]; `at_once` is as in `_Jacobian`."""
        out, beside, after = forward.above
        self._forward, self._out = forward, out
        self._beside = _Jacobian(forward.layer.beside, beside, h, at_once)  # type: ignore[arg-type]
        self._after = _Jacobian(forward.layer.after, after, h, at_once)  # type: ignore[arg-type]

    def __call__(self, tangents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tangents of the contexts [1, S, A, N, d] and of the output [1, S, N, H]."""
        samples, layer = tangents.shape[1], self._forward.layer
        moved = layer.before.jvp(spread(self._forward.before, samples), tangents)
        contexts = self._forward.attention.spread(samples).push(moved)
        mixed = layer.out.jvp(spread(self._out, samples), merge_heads(contexts))  # type: ignore[arg-type]
        return contexts, self._after(mixed + self._beside(tangents))


class _Jacobian:
    """A block's Jacobian, multiplied out per position where that is asked for.

    There are N times as many tangents as units, so that a matrix [H, H] per position costs less than a
    feed-forward of 8 H^2 per tangent.
    """

    def __init__(self, block: Block, saved: Saved, h: Tensor, at_once: int):
        """Push the units of h [1, 1, N, H] through the block, so many at once; 0 keeps it as it is."""
        self._block, self._saved, self._matrix = block, saved, None
        if at_once and not isinstance(block, Identity):
            units = torch.eye(h.shape[3], dtype=h.dtype, device=h.device)[None, :, None]
            parts = (part.expand(-1, -1, h.shape[2], -1) for part in units.split(at_once, 1))
            columns = [block.jvp(spread(saved, p.shape[1]), p.contiguous()) for p in parts]
            self._matrix = torch.cat(columns, 1)  # [1, H, N, H]

    def __call__(self, tangents: Tensor) -> Tensor:
        """Return the Jacobian times tangents [1, S, N, H]."""
        if self._matrix is None:
            return self._block.jvp(spread(self._saved, tangents.shape[1]), tangents)
        return torch.einsum("bsnh,bhnm->bsnm", tangents, self._matrix).contiguous()


def _shares(norms: Tensor) -> Tensor:
    sums = norms.sum(-1, keepdim=True)
    return norms / sums.where(sums > 0, 1.0)
