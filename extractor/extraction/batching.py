"""How many sentences a batch has, where the user says so."""

from ipgraph.graphstore.common.errors import UsageError


def batch_sentences(batch_size: int | str) -> int | None:
    """Return how many sentences a batch has, None where memory decides; raises UsageError for neither."""
    if batch_size == "auto":
        return None
    if not str(batch_size).isdecimal() or int(batch_size) < 1:
        raise UsageError(f"batch size {batch_size!r} is not 'auto' or a number of sentences, at least 1")
    return int(batch_size)
