"""What an engine is, and what each of its processes does."""

from collections.abc import Sequence
from typing import Protocol

from ipgraph.extractor.extraction.compute import OnSentences, Worker, compute
from ipgraph.extractor.extraction.identity import environment
from ipgraph.extractor.extraction.job import Job, Sentences
from ipgraph.graphstore.runs.directory import RunDirectory


class Engine(Protocol):
    """Computes shards somewhere: the run directory and the job are all that its workers need."""

    def run(self, run: RunDirectory, job: Job, shards: Sequence[int], on_sentences: OnSentences) -> None:
        """Compute shards and write them into the run directory; return when all are there.

        `on_sentences` is called, in the calling thread, with how many more sentences are done.
        """


def run_shards(
    run: RunDirectory,
    job: Job,
    worker: Worker,
    shards: Sequence[int],
    on_sentences: OnSentences | None = None,
) -> None:
    """Compute shards one after the other and write each with the environment of this process."""
    sentences = Sentences(run)
    here = environment(worker.model, job.batch_size)
    for shard in shards:
        run.write_shard(shard, compute(job, worker, sentences.shard(shard), on_sentences), here)
