"""How many points the path from baseline to input has: a fixed number, or as many as each sentence needs."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ipgraph.extractor.models.heads import probability
from ipgraph.extractor.tracing.batch import IntegrationPath
from ipgraph.extractor.tracing.trace import Trace

LADDER = (24, 48, 96, 192, 384)
"""The numbers of points that are tried in turn, where each sentence gets as many as it needs."""
TOLERANCE = 0.01
_LEAST_CHANGE = 0.1
"""What a smaller change of the QoI counts as, so that one of zero does not ask for no error at all.

Of a probability it is that share of its larger value: about the same change of a small one's logit.
"""


@dataclass(frozen=True)
class Sampling:
    """The paths to try in turn, and the completeness error at which a sentence needs no more points."""

    paths: tuple[IntegrationPath, ...]
    tolerance: float | None  # None: the first path is the only one, and no error is too large
    in_a_row: int = 1  # paths whose error must be small enough, one after the other, for a sentence to settle

    def is_within(self, trace: Trace) -> Tensor:
        """Return for which sentences [B] of a trace completeness is within the tolerance.

        |sum_i g(x_i) - (q(x) - q(x_b))| is at most the tolerance times the change of the QoI. A sentence's
        own numbers decide, whatever is beside it.
        """
        unit = trace.qoi.amax(1) if trace.quantity is probability else torch.ones_like(trace.qoi[:, 0])
        change = (trace.qoi[:, 1] - trace.qoi[:, 0]).abs().maximum(_LEAST_CHANGE * unit)
        tolerance = float("inf") if self.tolerance is None else self.tolerance
        return trace.completeness_error.abs() <= tolerance * change

    def settle(self, trace_with: Callable[[IntegrationPath], Trace]) -> Trace:
        """Return a trace of one sentence with the path at which it settles, else with the last."""
        within = 0
        for path in self.paths[:-1]:
            trace = trace_with(path)
            within = within + 1 if self.is_within(trace).all() else 0
            if within >= self.in_a_row:
                return trace
        return trace_with(self.paths[-1])
