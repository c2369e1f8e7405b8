"""The engine that computes in this process."""

from collections.abc import Sequence
from dataclasses import dataclass

from ipgraph.extractor.extraction.compute import OnSentences, Worker
from ipgraph.extractor.extraction.engines.engine import run_shards
from ipgraph.extractor.extraction.job import Job
from ipgraph.extractor.models.loading import Model
from ipgraph.graphstore.runs.directory import RunDirectory


@dataclass(frozen=True)
class LocalEngine:
    """Computes shards one after the other with a model that is loaded already."""

    model: Model

    def run(self, run: RunDirectory, job: Job, shards: Sequence[int], on_sentences: OnSentences) -> None:
        """Compute shards and write them into the run directory."""
        run_shards(run, job, Worker.of(job, self.model), shards, on_sentences)
