"""One shard's records of a method that scores tokens."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ipgraph.extractor.extraction.job import Job
from ipgraph.extractor.extraction.records import attributions, layer_matrices, predictions, views
from ipgraph.extractor.methods.attributions import Asked, Attributed
from ipgraph.extractor.methods.registry import attribution_method
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.models.outcomes import not_finite, outcomes
from ipgraph.extractor.tracing.memory import length_batches, out_of_memory_as_error
from ipgraph.graphstore.runs.directory import Shard

_TOKENS = 2**12
"""Tokens of a batch of a model without adapter, whose memory cannot be planned."""


def attribute(
    job: Job, asked: Asked, sentences: Sequence[Encoded], on_sentences: Callable[[int], None] | None = None
) -> Shard:
    """Return the records of a shard's sentences, in any order.

    Raises IpgraphError where the model gives NaN or infinity, or memory does not suffice.
    """
    records, method = Shard(), attribution_method(asked.method)
    for indices in _batches(asked, sentences, job.batch_size):
        batch = [sentences[index] for index in indices]
        with out_of_memory_as_error(asked.model):
            found = method.score(asked, batch)
            _add(records, job, asked, batch, found)
        if on_sentences is not None:
            on_sentences(len(batch))
    return records


def _batches(asked: Asked, sentences: Sequence[Encoded], batch_size: int | None) -> Iterator[list[int]]:
    """Yield the indices of sentences of like lengths."""
    if isinstance(asked.model, LoadedModel):
        yield from (indices for indices, _ in length_batches(asked.model, sentences, 1, batch_size))
        return
    left = sorted(range(len(sentences)), key=lambda index: -len(sentences[index].ids))
    while left:
        size = batch_size or max(1, _TOKENS // len(sentences[left[0]].ids))
        yield left[:size]
        left = left[size:]


def _add(records: Shard, job: Job, asked: Asked, batch: list[Encoded], found: Sequence[Attributed]) -> None:
    for sentence, one in zip(batch, found, strict=True):
        if not all(np.isfinite(array).all() for array in (one.scores, *one.matrices.values())):
            raise not_finite(sentence)
    told = outcomes(asked.model, batch, is_probability=asked.is_probability)
    records.instances += [sentence.instance for sentence in batch]
    records.predictions += predictions(job, asked.model, batch, told, [one.integral for one in found])
    records.further["attributions"] += attributions(job, batch, asked.method, found)
    records.further["views"] += views(job, batch, found)
    records.further["matrices"] += layer_matrices(job, batch, found)
