"""Saliency, gradient times input and integrated gradients, at word embeddings or at h^0.

- `saliency` (Simonyan et al. 2014): |dq/dx_i|_2 at the input.
- `gradient_x_input` (Shrikumar et al. 2016): dq/dx_i . x_i at the input.
- `integrated_gradients` (Sundararajan et al. 2017): IG_i = E[dq/dx_i] * (x_i - x_b), summed over its units.
  At word embeddings it is the total influence of guided patterns, g(x_i).
- `integrated_gradients_l2` and `integrated_gradients_mean` (compared in Ferrando et al. 2022): |IG_i|_2, and
  the mean of its absolute values over units. They take 100 points; here each sentence gets as many as the
  completeness of the signed sum asks for.

A point x_i of "word" is what the model takes as `inputs_embeds`, as it scales them. One of "input" is h^0_i,
with positions, types and the first norm in it. Both are fed once, while the published code of Ferrando et al.
feeds h^0 as word embeddings. The QoI is a difference of logits, or a probability by softmax.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ipgraph.extractor.methods.attributions import (
    Asked,
    Attributed,
    AttributionMethod,
    Integral,
    floats,
    integrals,
)
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.heads import probability, qoi
from ipgraph.extractor.tracing.batch import IntegrationPath
from ipgraph.extractor.tracing.sampling import Sampling
from ipgraph.extractor.tracing.settling import Settled, settle
from ipgraph.extractor.tracing.trace import Trace, trace_of


class Variant(NamedTuple):
    """How a method scores tokens, and whether it integrates from the baseline or looks at the input alone."""

    score: Callable[[Trace], Tensor]  # [B, N]
    is_integral: bool


def _integrated(trace: Trace) -> Tensor:
    """Return integrated gradients by unit, [B, N, E]."""
    return trace.gradient() * trace.delta


VARIANTS = {
    "saliency": Variant(lambda trace: trace.gradient().norm(dim=-1), is_integral=False),
    "gradient_x_input": Variant(lambda trace: (trace.gradient() * trace.words).sum(-1), is_integral=False),
    "integrated_gradients": Variant(lambda trace: trace.total_influence, is_integral=True),
    "integrated_gradients_l2": Variant(lambda trace: _integrated(trace).norm(dim=-1), is_integral=True),
    "integrated_gradients_mean": Variant(lambda trace: _integrated(trace).abs().mean(-1), is_integral=True),
}
"""The methods by name."""


def gradients(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    """Return the scores of each sentence's tokens by the variant that is asked for.

    A decoder's first position that is held has a score of 0 where the method integrates: it does not move.
    Raises IpgraphError where the model gives NaN or infinity, or memory does not suffice.
    """
    variant = VARIANTS[asked.method]
    sampling = asked.sampling if variant.is_integral else _at_input(asked)
    quantity = probability if asked.is_probability else qoi

    def trace_with(batch: list[Encoded], path: IntegrationPath, keep: bool) -> Trace:
        return trace_of(asked.adapted, batch, path, asked.baseline, keep=keep, at=asked.at, quantity=quantity)

    def use(settled: Settled) -> dict[int, Attributed]:
        scores = [floats(row) for row in variant.score(settled.trace)]
        met: Sequence[Integral | None] = [None] * len(scores)
        if variant.is_integral:
            met = integrals(settled, has_tolerance=sampling.tolerance is not None)
        return {
            index: Attributed(row[: len(sentences[index].ids)], integral=integral)
            for index, row, integral in zip(settled.indices, scores, met, strict=True)
        }

    found: dict[int, Attributed] = {}
    for part in settle(asked.adapted, sentences, sampling, trace_with, use):
        found |= part
    return [found[index] for index in range(len(sentences))]


def _at_input(asked: Asked) -> Sampling:
    """Return the input as the only point of the only path."""
    one = torch.ones(1, dtype=asked.model.dtype, device=asked.model.device)
    return Sampling((IntegrationPath(one, one),), None)


GRADIENTS = AttributionMethod(gradients)
