"""One shard's records of a method that scores tokens."""

from collections.abc import Callable, Sequence

import torch

from ipgraph.extractor.extraction.batching import length_batches
from ipgraph.extractor.extraction.job import Job
from ipgraph.extractor.extraction.records import (
    attributions,
    layer_matrices,
    outcomes_of,
    predictions,
    views,
)
from ipgraph.extractor.methods.attributions import Asked, Attributed
from ipgraph.extractor.methods.registry import attribution_method
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.tracing.memory import out_of_memory_as_error
from ipgraph.extractor.tracing.trace import trace_of
from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs.directory import Shard


def attribute(
    job: Job, asked: Asked, sentences: Sequence[Encoded], on_sentences: Callable[[int], None] | None = None
) -> Shard:
    """Return the records of a shard's sentences, in any order.

    Raises IpgraphError where the model gives NaN or infinity, or memory does not suffice.
    """
    records, method = Shard(), attribution_method(asked.method)
    samples = max(len(path.points) for path in asked.sampling.paths[:1])
    for indices, _ in length_batches(asked.model, sentences, samples, job.batch_size):
        batch = [sentences[index] for index in indices]
        with out_of_memory_as_error(asked.model):
            found = method.score(asked, batch)
        _require_finite(batch, found)
        _add(records, job, asked, batch, found)
        if on_sentences is not None:
            on_sentences(len(batch))
    return records


def _add(records: Shard, job: Job, asked: Asked, batch: list[Encoded], found: Sequence[Attributed]) -> None:
    records.instances += [sentence.instance for sentence in batch]
    with torch.no_grad():
        trace = trace_of(asked.model, batch, asked.sampling.paths[0], asked.baseline, keep=False)
    outcomes = outcomes_of(asked.model, batch, trace)
    records.predictions += predictions(job, asked.model, batch, outcomes, [one.integral for one in found])
    records.further["attributions"] += attributions(job, batch, asked.method, found)
    records.further["views"] += views(job, batch, found)
    records.further["matrices"] += layer_matrices(job, batch, found)


def _require_finite(batch: Sequence[Encoded], found: Sequence[Attributed]) -> None:
    """Raise IpgraphError that names the first sentence for which a method gave NaN or infinity."""
    for sentence, one in zip(batch, found, strict=True):
        if not all(torch.tensor(array).isfinite().all() for array in (one.scores, *one.matrices.values())):
            raise IpgraphError(
                f"the model gave NaN or infinite values for instance {sentence.instance.id} "
                f"({sentence.instance.text!r}); its weights may be broken, or too large for its dtype"
            )
