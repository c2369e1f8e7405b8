"""Sentences traced in batches, at more and more points until the completeness of each is good enough."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import torch

from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.models.outcomes import not_finite
from ipgraph.extractor.tracing.batch import IntegrationPath
from ipgraph.extractor.tracing.memory import Plan, length_batches, out_of_memory_as_error
from ipgraph.extractor.tracing.sampling import Sampling
from ipgraph.extractor.tracing.trace import Trace

T = TypeVar("T")

TraceWith: TypeAlias = Callable[[list[Encoded], IntegrationPath, bool], Trace]
"""Traces a batch along a path; the last says whether to keep every layer's state."""


class Settled(NamedTuple):
    """Sentences of one batch that need no more points, and their trace."""

    indices: list[int]  # which of the sentences, in the order of the trace
    trace: Trace
    is_settled: list[bool]  # whether completeness is good enough; it may not be with the last path
    plan: Plan


def settle(
    model: LoadedModel,
    sentences: Sequence[Encoded],
    sampling: Sampling,
    trace_with: TraceWith,
    use: Callable[[Settled], T],
    *,
    batch_size: int | None = None,
) -> Iterator[T]:
    """Yield what `use` makes of the sentences that settle in each batch; each sentence settles once.

    A sentence's own numbers decide, whatever is beside it. Only `use` may hold the trace: it is to be gone
    when the next batch asks how much memory is free.
    Raises IpgraphError where the model gives NaN or infinity, or memory does not suffice.
    """
    ladder = _Ladder(sentences, sampling, trace_with, use)
    left = list(range(len(sentences)))
    for path in sampling.paths:
        waiting, left = left, []
        batches = length_batches(model, [sentences[i] for i in waiting], len(path.points), batch_size)
        for places, plan in batches:
            indices = [waiting[place] for place in places]
            with out_of_memory_as_error(model):
                done, results = ladder.step(indices, path, plan)
            left += [index for index in indices if index not in done]
            yield from results


@dataclass
class _Ladder(Generic[T]):
    """What one call of `settle` asks, and how often in a row each sentence was within the tolerance."""

    sentences: Sequence[Encoded]
    sampling: Sampling
    trace_with: TraceWith
    use: Callable[[Settled], T]
    within: dict[int, int] = field(default_factory=dict)

    @torch.no_grad()
    def step(self, indices: list[int], path: IntegrationPath, plan: Plan) -> tuple[set[int], list[T]]:
        """Trace a batch; return which of its sentences settle, and what is made of them, if any do."""
        batch = [self.sentences[index] for index in indices]
        trace = self.trace_with(batch, path, plan.keep)
        require_finite(batch, trace)
        settled = self._settled(indices, trace)
        if path is not self.sampling.paths[-1] and not all(settled):
            rows = [row for row, done in enumerate(settled) if done]
            indices, settled = [indices[row] for row in rows], [True] * len(rows)
            trace = trace.select(torch.tensor(rows, dtype=torch.long, device=trace.start.device))
        results = [self.use(Settled(indices, trace, settled, plan))] if indices else []
        return set(indices), results

    def _settled(self, indices: list[int], trace: Trace) -> list[bool]:
        for index, is_within in zip(indices, self.sampling.is_within(trace).tolist(), strict=True):
            self.within[index] = self.within.get(index, 0) + 1 if is_within else 0
        return [self.within[index] >= self.sampling.in_a_row for index in indices]


def require_finite(batch: list[Encoded], trace: Trace) -> None:
    """Raise IpgraphError that names the first sentence for which the model gave NaN or infinity."""
    finite = trace.qoi.isfinite().all(1) & trace.total_influence.isfinite().all(1)
    for sentence, is_finite in zip(batch, finite.tolist(), strict=True):
        if not is_finite:
            raise not_finite(sentence)
