"""Sentences of like lengths together, in batches that fit in memory."""

from collections.abc import Iterator, Sequence

from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.memory import Plan, plan
from ipgraph.graphstore.common.errors import UsageError


def batch_sentences(batch_size: int | str) -> int | None:
    """Return how many sentences a batch has, None where memory decides; raises UsageError for neither."""
    if batch_size == "auto":
        return None
    if not str(batch_size).isdecimal() or int(batch_size) < 1:
        raise UsageError(f"batch size {batch_size!r} is not 'auto' or a number of sentences, at least 1")
    return int(batch_size)


def length_batches(
    model: LoadedModel, sentences: Sequence[Encoded], samples: int, batch_size: int | None
) -> Iterator[tuple[list[int], Plan]]:
    """Yield the indices of each batch's sentences, and its plan for memory.

    The longest come first, so that memory is claimed once. A batch is planned when it is asked for: the
    memory of the one before should be free by then.
    """
    left = sorted(range(len(sentences)), key=lambda index: -len(sentences[index].ids))
    while left:
        length = len(sentences[left[0]].ids)
        size = plan(model, length, samples, sentences=batch_size).sentences
        batch, left = left[:size], left[size:]
        yield batch, plan(model, length, samples, sentences=len(batch))
