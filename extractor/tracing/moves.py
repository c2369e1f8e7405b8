"""One hop of many paths through one layer: tangents pushed forward, gradients pulled back.

An item is one path of one sentence, W of them a sentence: it stands at `source` [B, W] below a layer with a
tangent [B, S, W, H] there. Formulas, with r = 1 / sqrt(d), j the source and e a destination:

    dq = W_q v, dk = W_k v, dv = W_v v
    dc_e = P_ej (r (q_e . dk) (v_j - c_e) + dv) + [e = j] r sum_c P_jc (dq . k_c) (v_c - c_j)
"""

import torch
from torch import Tensor

from ipgraph.extractor.models.blocks import take
from ipgraph.extractor.tracing.trace import LayerState, Trace, split_heads


class Place:
    """The items' sources below one layer."""

    def __init__(self, trace: Trace, index: int, source: Tensor):
        """Look up the layer's state; `index` counts layers from 0."""
        self.trace, self.index, self.source = trace, index, source
        self.state: LayerState = trace.layer(index)
        self.scale = self.state.q.shape[-1] ** -0.5

    def tangents(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return dq, dk, dv [B, S, A, W, d] of tangents [B, S, W, H] at the sources."""
        saved = take(self.state.before, rows_of(self.source, *self.trace.size[1:], 1))
        moved = self.state.layer.before.jvp(saved, v.flatten(0, 2)).view(*v.shape[:3], 3, -1)
        dq, dk, dv = (split_heads(moved[..., part, :], self.trace.heads) for part in range(3))
        return dq, dk, dv

    def influences(self, v: Tensor) -> Tensor:
        """Return the influence of extending each item to each position, [B, W, N] (not for the last layer).

        O(d) a candidate: g_c[e] . (v_j - c_e), times P in `p_m`, serves all items.
        """
        state, (dq, dk, dv) = self.state, self.tangents(v)
        columns = self.source[:, None, None, None].expand(*state.p.shape[:4], -1)
        moved = state.p_m.gather(-1, columns) * (state.q @ dk.transpose(-1, -2)) * self.scale
        moved += state.p.gather(-1, columns) * (state.g_context @ dv.transpose(-1, -2))
        own = self.own_row(state.p_m) * (dq @ state.k.transpose(-1, -2)) * self.scale
        skip = (at(state.g_residual[:, :, None], self.source)[:, :, 0] * v).sum(-1)
        extended = self.trace.mean(moved.sum(2)).transpose(1, 2)
        stay = self.trace.mean(own.sum((2, 4)) + skip)
        return extended.scatter_add(2, self.source[..., None], stay[..., None])

    def own_row(self, x: Tensor) -> Tensor:
        """Return the sources' own rows [B, S, A, W, N] of x [B, S, A, E, N]."""
        return at(x, self.trace.destination(self.index, self.source))


class Hop(Place):
    """The items' sources and destinations around one layer."""

    def __init__(self, trace: Trace, index: int, source: Tensor, destination: Tensor):
        """Look up what every formula below needs at the sources and destinations [B, W]."""
        super().__init__(trace, index, source)
        state = self.state
        self.row = trace.destination(index, destination)
        self.stays = source == destination
        rows = at(state.p, self.row)
        self.p = rows.gather(-1, source[:, None, None, :, None].expand(*rows.shape[:4], 1))
        self.context = at(state.context, self.row)
        self.difference = at(state.v, source) - self.context
        self.q = at(state.q, self.row)
        # Where an item stays, its own row is its destination's; elsewhere the row counts for nothing.
        self.own = rows * self.stays[:, None, None, :, None]

    def contexts(self, v: Tensor) -> Tensor:
        """Return the context vectors' tangents dc [B, S, A, W, d] at the destinations."""
        dq, dk, dv = self.tangents(v)
        asked = (self.q * dk).sum(-1, keepdim=True) * self.scale
        own = self.own * (dq @ self.state.k.transpose(-1, -2)) * self.scale
        stayed = own @ self.state.v - own.sum(-1, keepdim=True) * self.context
        dc: Tensor = self.p * (asked * self.difference + dv) + stayed
        return dc

    def push(self, dc: Tensor, residual: Tensor) -> Tensor:
        """Return the tangents [B, S, W, H] above the layer that dc and the residual's tangent give."""
        mixed = self.state.layer.out.jvp((), dc.transpose(2, 3).flatten(3)) + residual
        saved = take(self.state.after, self._after_rows())
        return self.state.layer.after.jvp(saved, mixed.flatten(0, 2)).view(mixed.shape)

    def skip(self, v: Tensor) -> Tensor:
        """Return the residual's tangents: v where the item stays, else zero."""
        return v * self.stays[:, None, :, None]

    def pull_after(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return a gradient [B, S, W, H] above the layer at its heads [B, S, A, W, d] and its residual."""
        saved = take(self.state.after, self._after_rows())
        residual = self.state.layer.after.vjp(saved, gradient.flatten(0, 2)).view(gradient.shape)
        return split_heads(self.state.layer.out.vjp((), residual), self.trace.heads), residual

    def pull(self, heads: Tensor, residual: Tensor) -> Tensor:
        """Return the gradient [B, S, W, H] at the sources that gradients at the destinations give."""
        g_v = self.p * heads
        g_k = self.p * (heads * self.difference).sum(-1, keepdim=True) * self.q * self.scale
        m = heads @ self.state.v.transpose(-1, -2) - (heads * self.context).sum(-1, keepdim=True)
        g_q = (self.own * m) @ self.state.k * self.scale
        pulled = torch.cat([g.transpose(2, 3).flatten(3) for g in (g_q, g_k, g_v)], -1)
        saved = take(self.state.before, rows_of(self.source, *self.trace.size[1:], 1))
        below = self.state.layer.before.vjp(saved, pulled.flatten(0, 2)).view(residual.shape)
        return below + self.skip(residual)

    def _after_rows(self) -> Tensor:
        return rows_of(self.row, self.trace.size[1], self.state.p.shape[3], 1)


def at(x: Tensor, index: Tensor) -> Tensor:
    """Return x [B, S, A, N, d] at positions [B, W]: [B, S, A, W, d]."""
    b, s, a, n, d = x.shape
    rows = rows_of(index, s, n, a)
    return x.reshape(-1, d).index_select(0, rows).view(b, s, a, -1, d)


def rows_of(index: Tensor, samples: int, positions: int, heads: int) -> Tensor:
    """Return where positions [B, W] lie among flattened rows (b, s, a, n), as [B S A W]."""
    blocks = torch.arange(index.shape[0] * samples * heads, device=index.device) * positions
    return (blocks.view(index.shape[0], -1, 1) + index[:, None]).flatten()
