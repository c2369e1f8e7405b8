"""One shard's records from its sentences: what every engine runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ipgraph.extractor.extraction.attribute import attribute
from ipgraph.extractor.extraction.batching import length_batches
from ipgraph.extractor.extraction.job import Job
from ipgraph.extractor.extraction.records import (
    add_patterns,
    attributions,
    integrals_of,
    outcomes_of,
    predictions,
    require_finite,
)
from ipgraph.extractor.methods.attributions import Asked, Attributed
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.methods.registry import path_method
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel, load_same, require_adapter
from ipgraph.extractor.tracing.batch import Baseline, IntegrationPath
from ipgraph.extractor.tracing.memory import Plan, out_of_memory_as_error
from ipgraph.extractor.tracing.sampling import Sampling
from ipgraph.extractor.tracing.trace import Trace, trace_of
from ipgraph.graphstore.runs.directory import Shard
from ipgraph.graphstore.schema.qoi import PROBABILITY
from ipgraph.graphstore.schema.records import LEVELS

OnSentences = Callable[[int], None]
"""Called with how many more sentences are done."""


@dataclass(frozen=True)
class Worker:
    """What a process keeps between the shards of a job."""

    model: LoadedModel
    sampling: Sampling
    baseline: Baseline

    @classmethod
    def of(cls, job: Job, model: LoadedModel) -> "Worker":
        """Return a worker with a model that is loaded already."""
        return cls(model, job.options.sampling(model), job.options.baseline_of(model))

    def asked(self, job: Job) -> Asked:
        """Return what a job asks of a method that scores tokens."""
        options = job.options
        return Asked(
            model=self.model,
            method=options.method,
            sampling=self.sampling,
            baseline=self.baseline,
            at=options.at,
            is_probability=options.qoi == PROBABILITY,
            position_correction=options.position_correction,
            position_decay=options.position_decay,
        )

    @classmethod
    def load(cls, job: Job, *, device: str = "auto") -> "Worker":
        """Load the job's model; raises UsageError where it is not on this machine or is another one."""
        model = load_same(job.model, job.digest, task=job.task, dtype=job.dtype, device=device)
        return cls.of(job, require_adapter(model))


def compute(
    job: Job, worker: Worker, sentences: Sequence[Encoded], on_sentences: OnSentences | None = None
) -> Shard:
    """Return the records of a shard's sentences, in their order whatever the batches were.

    Raises IpgraphError where the model gives NaN or infinity, or memory does not suffice.
    """
    if METHODS[job.options.method].family == "paths":
        records = _with_paths(job, worker, sentences, on_sentences)
    else:
        records = attribute(job, worker.asked(job), sentences, on_sentences)
    _restore_order(records, sentences)
    return records


def _with_paths(
    job: Job, worker: Worker, sentences: Sequence[Encoded], on_sentences: OnSentences | None
) -> Shard:
    """Return the records of sentences with paths, each with as many points as it needs, in any order."""
    records = Shard()
    left = [_Left(sentence) for sentence in sentences]
    for path in worker.sampling.paths:
        unsettled: list[_Left] = []
        waiting = [one.sentence for one in left]
        for indices, plan in length_batches(worker.model, waiting, len(path.points), job.batch_size):
            batch = [left[index] for index in indices]
            with out_of_memory_as_error(worker.model):
                again = _add(records, job, worker, batch, path, plan)
            unsettled += again
            if on_sentences is not None:
                on_sentences(len(batch) - len(again))
        left = unsettled
    return records


@dataclass(frozen=True, slots=True)
class _Left:
    """A sentence that may need more points, and at how many paths in a row it was within the tolerance."""

    sentence: Encoded
    within: int = 0


@torch.no_grad()
def _add(
    records: Shard, job: Job, worker: Worker, left: list[_Left], path: IntegrationPath, plan: Plan
) -> list[_Left]:
    """Trace a batch, add the records of its sentences, and return those that need more points."""
    batch = [one.sentence for one in left]
    trace = trace_of(worker.model, batch, path, worker.baseline, keep=plan.keep)
    require_finite(batch, trace)
    within = [
        one.within + 1 if is_within else 0
        for one, is_within in zip(left, worker.sampling.is_within(trace).tolist(), strict=True)
    ]
    settled = [count >= worker.sampling.in_a_row for count in within]
    again: list[_Left] = []
    if path is not worker.sampling.paths[-1] and not all(settled):
        again = [_Left(batch[row], within[row]) for row, done in enumerate(settled) if not done]
        rows = [row for row, done in enumerate(settled) if done]
        batch, settled = [batch[row] for row in rows], [True] * len(rows)
        trace = trace.select(torch.tensor(rows, dtype=torch.long, device=trace.start.device))
    if batch:
        _add_records(records, job, worker, batch, trace, settled, plan.words)
    return again


def _add_records(
    records: Shard,
    job: Job,
    worker: Worker,
    batch: list[Encoded],
    trace: Trace,
    settled: list[bool],
    words_at_once: int,
) -> None:
    """Add the records of traced sentences to the shard's."""
    records.instances += [sentence.instance for sentence in batch]
    outcomes = outcomes_of(worker.model, batch, trace)
    is_settled = [None if job.options.tolerance is None else done for done in settled]
    records.predictions += predictions(job, worker.model, batch, outcomes, integrals_of(trace, is_settled))
    totals = trace.total_influence.double().cpu().numpy()
    found = [Attributed(total[: len(sentence.ids)]) for total, sentence in zip(totals, batch, strict=True)]
    records.further["attributions"] += attributions(job, batch, "integrated_gradients", found)
    keys = [sentence.instance.id for sentence in batch]
    method = path_method(job.options.method)
    for positions in torch.arange(trace.size[2], device=worker.model.device).split(words_at_once):
        sources = positions.expand(len(batch), -1)
        for paths in method.refine(trace, sources, keys, job.options.levels):
            add_patterns(records, job, batch, trace, paths)


def _restore_order(records: Shard, sentences: Sequence[Encoded]) -> None:
    """Put a shard's records in the order of its sentences, levels and positions."""
    place = {sentence.instance.id: index for index, sentence in enumerate(sentences)}
    records.instances.sort(key=lambda instance: place[instance.id])
    records.predictions.sort(key=lambda prediction: place[prediction.instance])
    records.patterns.sort(key=lambda p: (place[p.instance], LEVELS.index(p.level), p.position))
    for rows in records.further.values():
        rows.sort(key=lambda row: place[row.instance])
    rank = {pattern.id: index for index, pattern in enumerate(records.patterns)}
    records.steps.sort(key=lambda step: rank[step.pattern])
