"""Softmax attention: its value, its tangent and its gradient, in closed form. No other module knows them.

B sentences, S samples, N positions, A heads of d units in G groups that share keys and values, and E
destinations: all positions, or one per sentence. With s_ej = q_e . k_j (queries hold the scale), z = cap
tanh(s / cap) + bias where they apply, P = softmax(z) over what e sees, c_e = sum_j P_ej v_j and
D = P (1 - tanh^2(s / cap)):

    dc_e = sum_j D_ej ds_ej (v_j - c_e) + P_ej dv_j,  ds_ej = dq_e . k_j + q_e . dk_j
    dq/ds_ej = D_ej g_e . (v_j - c_e), for a gradient g_e at the context: `g_scores`

A tangent at source j alone moves destination e by D_ej (q_e . dk) (v_j - c_e) + P_ej dv and, where e = j, by
sum_c D_jc (dq . k_c) (v_c - c_j), its own row. Scoring every destination costs O(d) each, since
g_e . (v_j - c_e) does not depend on the tangent.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ipgraph.extractor.models.adapter import Mixing
from ipgraph.extractor.tracing.rows import among, at


@dataclass(frozen=True)
class Tangents:
    """Tangents of the queries [B, S, A, W, d] and of the keys and values [B, S, G, W, d] of W sources."""

    q: Tensor
    k: Tensor
    v: Tensor
    reading: Tensor  # [B, S, A, W, N]: how the sources' own logits move


@dataclass(frozen=True)
class Attention:
    """A layer's attention at every sample."""

    mixing: Mixing
    q: Tensor  # [B, S, A, E, d], times the scale
    k: Tensor  # [B, S, G, N, d]
    v: Tensor  # [B, S, G, N, d]
    p: Tensor  # [B, S, A, E, N]
    slope: Tensor  # D, the same tensor as P where there is no cap
    context: Tensor  # [B, S, A, E, d]
    only: Tensor | None  # [B], where each sentence has one destination

    def select(self, rows: Tensor) -> "Attention":
        """Return the attention of some sentences of the batch."""
        names = ("q", "k", "v", "p", "context", *(["only"] if self.only is not None else []))
        chosen = {name: getattr(self, name).index_select(0, rows) for name in names}
        slope = chosen["p"] if self.slope is self.p else self.slope.index_select(0, rows)
        return replace(self, **chosen, slope=slope)

    def spread(self, samples: int) -> "Attention":
        """Return the attention of one sample as that of many equal ones; nothing is copied."""
        names = ("q", "k", "v", "p", "slope", "context")
        return replace(self, **{name: getattr(self, name).expand(-1, samples, *[-1] * 3) for name in names})

    def tangents(self, moved: Tensor) -> Tangents:
        """Return tangents [B, S, W, (A + 2 G) d] of some sources' queries, keys and values, taken apart."""
        q, k, v = split(self.mixing, moved)
        return Tangents(q, k, v, _by_group(q, self.k.transpose(-1, -2)))

    def push(self, moved: Tensor) -> Tensor:
        """Return the contexts' tangents that tangents [B, S, N, (A + 2 G) d] at every position give."""
        dq, dk, dv = split(self.mixing, moved)
        dq = dq if self.only is None else at(dq, self.only[:, None])
        # Two products at once, side by side: q . dk + dq . k, and D' v + P dv.
        logits = _by_group(torch.cat([self.q, dq], -1), torch.cat([dk, self.k], -1).transpose(-1, -2))
        d = logits.mul_(self.slope)
        contexts = _by_group(torch.cat([d, self.p], -1), torch.cat([self.v, dv], -2))
        return contexts - d.sum(-1, keepdim=True) * self.context

    def g_scores(self, g_context: Tensor) -> Tensor:
        """Return the gradient at the logits q . k, before any cap, that one at the contexts gives."""
        toward = _by_group(g_context, self.v.transpose(-1, -2))
        return toward.sub_((g_context * self.context).sum(-1, keepdim=True)).mul_(self.slope)

    def pull(self, g_context: Tensor, g_scores: Tensor) -> Tensor:
        """Return the gradient [B, S, N, (A + 2 G) d] at every position's query, key and value."""
        g_q = _by_group(g_scores, self.k)
        g_q = g_q if self.only is None else among(g_q, self.only, self.k.shape[3])
        groups = self.mixing.groups
        return join(
            self.mixing, g_q, _over_rows(g_scores, self.q, groups), _over_rows(self.p, g_context, groups)
        )

    def extensions(
        self, g_context: Tensor, g_scores: Tensor, source: Tensor, moved: Tangents
    ) -> tuple[Tensor, Tensor]:
        """Return what sources [B, W] send to each destination, [B, S, N, W], and by their queries, [B, S, W].

        The latter belongs to the destination that is the source. Not where there is one destination only.
        """
        columns = source[:, None, None, None].expand(*self.p.shape[:4], -1)
        sent = g_scores.gather(-1, columns) * _by_group(self.q, moved.k.transpose(-1, -2))
        sent += self.p.gather(-1, columns) * _by_group(g_context, moved.v.transpose(-1, -2))
        return sent.sum(2), (at(g_scores, source) * moved.reading).sum((2, 4))


class Pairs:
    """Attention between sources [B, W, K] and destinations [B, W, M] of W patterns."""

    def __init__(self, attention: Attention, source: Tensor, destination: Tensor):
        """Look nothing up yet: the tangent and the gradient need different things."""
        self.attention, self.source = attention, source
        self.row = destination if attention.only is None else torch.zeros_like(destination)
        self.items, self.below = source.shape[1], source.shape[2]
        self._stays = destination[..., None] == source[:, :, None]

    @cached_property
    def stays(self) -> Tensor:
        """Which destinations are which sources, [B, 1, 1, W, M, K], as numbers."""
        return self._stays[:, None, None].to(self.attention.q.dtype)

    def contexts(self, moved: Tangents) -> Tensor:
        """Return how the destinations' contexts move with the sources, [B, S, A, W, M, d]."""
        dk, dv, v = (self._at_sources(x) for x in (moved.k, moved.v, at(self.attention.v, self._flat)))
        asked = self._pairs(self._slope) * _products(self._q, dk)
        stays = self._slope * combine(self.stays, moved.reading.unflatten(3, (self.items, self.below)))
        stayed = _by_group(stays.flatten(3, 4), self.attention.v).unflatten(3, stays.shape[3:5])
        total = asked.sum(-1, keepdim=True) + stays.sum(-1, keepdim=True)
        contexts: Tensor = combine(asked, v) + combine(self._pairs(self._p), dv) + stayed
        return contexts.sub_(total * self._context)

    def pull(self, heads: Tensor) -> Tensor:
        """Return the gradient [B, S, W K, (A + 2 G) d] at the sources' queries, keys and values.

        `heads` [B, S, A, W, M, d] is the gradient at the destinations' contexts.
        """
        attention, flat = self.attention, heads.flatten(3, 4)
        toward = _by_group(flat, attention.v.transpose(-1, -2)).unflatten(3, heads.shape[3:5])
        g_scores = self._slope * (toward - (heads * self._context).sum(-1, keepdim=True))
        g_q = _by_group(g_scores.flatten(3, 4), attention.k).unflatten(3, heads.shape[3:5])
        parts = (
            combine(self.stays.transpose(-1, -2), g_q),
            self._per_group(combine(self._pairs(g_scores).transpose(-1, -2), self._q)),
            self._per_group(combine(self._pairs(self._p).transpose(-1, -2), heads)),
        )
        return join(attention.mixing, *(g.flatten(3, 4) for g in parts))

    @cached_property
    def _flat(self) -> Tensor:
        return self.source.flatten(1)

    @cached_property
    def _p(self) -> Tensor:
        """Return the destinations' rows of P, [B, S, A, W, M, N]."""
        return self._at_destinations(self.attention.p)

    @cached_property
    def _slope(self) -> Tensor:
        is_p = self.attention.slope is self.attention.p
        return self._p if is_p else self._at_destinations(self.attention.slope)

    @cached_property
    def _q(self) -> Tensor:
        return self._at_destinations(self.attention.q)

    @cached_property
    def _context(self) -> Tensor:
        return self._at_destinations(self.attention.context)

    def _at_destinations(self, x: Tensor) -> Tensor:
        rows: Tensor = at(x, self.row.flatten(1)).unflatten(3, self.row.shape[1:])
        return rows

    def _at_sources(self, x: Tensor) -> Tensor:
        """Return what every head sees of the sources, [B, S, A, W, K, d], of a group's [B, S, G, W K, d]."""
        mixing = self.attention.mixing
        if mixing.groups != mixing.heads:
            x = x.repeat_interleave(mixing.heads // mixing.groups, 2)
        places: Tensor = x.unflatten(3, (self.items, self.below))
        return places

    def _per_group(self, x: Tensor) -> Tensor:
        groups = self.attention.mixing.groups
        if groups != x.shape[2]:
            x = x.unflatten(2, (groups, -1)).sum(3)
        return x

    def _pairs(self, rows: Tensor) -> Tensor:
        """Return rows [B, S, A, W, M, N] at the sources, [B, S, A, W, M, K]."""
        columns = self.source[:, None, None, :, None].expand(*rows.shape[:5], -1)
        return rows.gather(-1, columns)


def attend(mixing: Mixing, qkv: Tensor, mask: Tensor, only: Tensor | None = None) -> Attention:
    """Return the attention of queries, keys and values [B, S, N, (A + 2 G) d] side by side.

    `mask` [B, N] is true at real positions; with `only` [B], each sentence has that destination alone.
    """
    q, k, v = split(mixing, qkv)
    n = q.shape[3]
    if only is not None:
        q = at(q, only[:, None])
    scores, damped = _by_group(q, k.transpose(-1, -2)), None
    if mixing.cap is not None:
        bent = (scores / mixing.cap).tanh_()
        scores, damped = bent * mixing.cap, 1 - bent.square()
    if mixing.bias is not None:
        bias = mixing.bias(n)
        scores = scores + (bias if only is None else bias[:, only].transpose(0, 1)[:, None, :, None])
    p = scores.masked_fill_(~_visible(mixing, mask, only)[:, None, None], -torch.inf).softmax(-1)
    return Attention(mixing, q, k, v, p, p if damped is None else p * damped, _by_group(p, v), only)


def window(mixing: Mixing, positions: int, device: torch.device) -> Tensor | None:
    """Return which positions (columns) a position (row) may see, [N, N]; None where it is all of them."""
    if mixing.behind is None and mixing.ahead is None:
        return None
    order = torch.arange(positions, device=device)
    ahead = order - order[:, None]
    seen = torch.ones_like(ahead, dtype=torch.bool)
    if mixing.behind is not None:
        seen &= ahead >= -mixing.behind
    if mixing.ahead is not None:
        seen &= ahead <= mixing.ahead
    return seen


def _visible(mixing: Mixing, mask: Tensor, only: Tensor | None) -> Tensor:
    """Return which positions each destination sees, [B, E, N], or [B, 1, N] where all see the same.

    One that would see nothing (padding, under a window) sees itself, so that no row is empty.
    """
    near = window(mixing, mask.shape[1], mask.device)
    if near is None:
        return mask[:, None]
    itself = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    near, itself = (x[None] if only is None else x[only][:, None] for x in (near, itself))
    seen = near & mask[:, None]
    return seen | (itself & ~seen.any(-1, keepdim=True))


def split(mixing: Mixing, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows [B, S, W, (A + 2 G) d] as scaled queries [B, S, A, W, d], keys and values of groups."""
    parts = (part.unflatten(-1, (-1, mixing.size)) for part in qkv.split(mixing.widths, -1))
    q, k, v = (part.transpose(2, 3).contiguous() for part in parts)
    return q * mixing.scale, k, v


def join(mixing: Mixing, g_q: Tensor, g_k: Tensor, g_v: Tensor) -> Tensor:
    """Return gradients at queries, keys and values as rows: the transpose of `split`."""
    return torch.cat([merge_heads(g) for g in (g_q * mixing.scale, g_k, g_v)], -1)


def merge_heads(x: Tensor) -> Tensor:
    """Return heads [B, S, A, W, d] side by side, [B, S, W, A d]."""
    return x.transpose(2, 3).flatten(3)


def split_heads(x: Tensor, size: int) -> Tensor:
    """Return [B, S, W, A d] as heads [B, S, A, W, d]."""
    heads: Tensor = x.unflatten(-1, (-1, size)).transpose(2, 3).contiguous()
    return heads


def combine(weights: Tensor, x: Tensor) -> Tensor:
    """Return weights [..., M, K] times x [..., K, d]; one place alone needs no matrix product."""
    return weights * x if x.shape[-2] == 1 else weights @ x


def _products(x: Tensor, y: Tensor) -> Tensor:
    """Return the scalar products of x [..., M, d] and y [..., K, d], [..., M, K]."""
    return (x * y).sum(-1, keepdim=True) if y.shape[-2] == 1 else x @ y.transpose(-1, -2)


def _by_group(x: Tensor, y: Tensor) -> Tensor:
    """Return x [B, S, A, R, m] of every head times y [B, S, G, m, n] of its group, [B, S, A, R, n]."""
    folded = x.reshape(*x.shape[:2], y.shape[2], -1, x.shape[4])
    return (folded @ y).view(*x.shape[:4], y.shape[4])


def _over_rows(x: Tensor, y: Tensor, groups: int) -> Tensor:
    """Return x' y [B, S, G, N, d] of x [B, S, A, E, N] and y [B, S, A, E, d], summed over a group's heads."""
    x, y = (z.reshape(*z.shape[:2], groups, -1, z.shape[4]) for z in (x, y))
    return x.transpose(-1, -2) @ y
