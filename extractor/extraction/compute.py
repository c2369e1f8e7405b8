"""One shard's records from its sentences: what every engine runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ipgraph.extractor.extraction.attribute import attribute
from ipgraph.extractor.extraction.job import Job
from ipgraph.extractor.extraction.records import (
    add_patterns,
    attributions,
    outcomes_of,
    predictions,
)
from ipgraph.extractor.methods.attributions import Asked, Attributed, floats, integrals
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.methods.registry import path_method
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel, Model, load_same, require_adapter
from ipgraph.extractor.tracing.batch import Baseline, IntegrationPath
from ipgraph.extractor.tracing.sampling import Sampling
from ipgraph.extractor.tracing.settling import Settled, settle
from ipgraph.extractor.tracing.trace import Trace, trace_of
from ipgraph.graphstore.runs.directory import Shard
from ipgraph.graphstore.schema.qoi import PROBABILITY
from ipgraph.graphstore.schema.records import LEVELS

OnSentences = Callable[[int], None]
"""Called with how many more sentences are done."""


@dataclass(frozen=True)
class Worker:
    """What a process keeps between the shards of a job."""

    model: Model
    sampling: Sampling
    baseline: Baseline

    @classmethod
    def of(cls, job: Job, model: Model) -> "Worker":
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
        return cls.of(job, load_same(job.model, job.digest, task=job.task, dtype=job.dtype, device=device))


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
    records, model = Shard(), require_adapter(worker.model)

    def trace_with(batch: list[Encoded], path: IntegrationPath, keep: bool) -> Trace:
        return trace_of(model, batch, path, worker.baseline, keep=keep)

    def use(settled: Settled) -> int:
        batch = [sentences[index] for index in settled.indices]
        _add_records(records, job, model, batch, settled)
        return len(batch)

    for done in settle(model, sentences, worker.sampling, trace_with, use, batch_size=job.batch_size):
        if on_sentences is not None:
            on_sentences(done)
    return records


def _add_records(
    records: Shard, job: Job, model: LoadedModel, batch: list[Encoded], settled: Settled
) -> None:
    """Add the records of traced sentences to the shard's."""
    trace = settled.trace
    records.instances += [sentence.instance for sentence in batch]
    met = integrals(settled, has_tolerance=job.options.tolerance is not None)
    records.predictions += predictions(job, model, batch, outcomes_of(model, batch, trace), met)
    totals = floats(trace.total_influence)
    found = [Attributed(total[: len(sentence.ids)]) for total, sentence in zip(totals, batch, strict=True)]
    records.further["attributions"] += attributions(job, batch, "integrated_gradients", found)
    keys = [sentence.instance.id for sentence in batch]
    method = path_method(job.options.method)
    for positions in torch.arange(trace.size[2], device=model.device).split(settled.plan.words):
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
