"""Small extractions with a tiny model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ipgraph.extractor.datasets import Dataset, Example, make_instance
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models.loading import Model
from ipgraph.graphstore.runs.directory import RunDirectory


def sentences(*texts: str, correct: str = "is", wrong: str = "are") -> Dataset:
    examples = [
        Example(make_instance("mine", text, correct=correct, wrong=wrong), (), f"mine.jsonl:{line}")
        for line, text in enumerate(texts, 1)
    ]
    return Dataset("mine", examples)


AGREEMENT = sentences("the farmer that the farmers like [MASK] old .", "a farmer [MASK] tall .")


def run_of(model: Path | Model, dataset: Dataset, folder: Path, **options: Any) -> RunDirectory:
    settings: dict[str, Any] = {"n_steps": 5, "quadrature": "uniform"} | options
    return extract(model, dataset, runs_dir=folder, **settings)


def many(count: int) -> Dataset:
    """Return `count` instances of nine sentences; a shard holds fewer than 150."""
    some = sentences(*(f"the farmer [MASK] {'old ' * (n % 9 + 1)}." for n in range(9)))
    copies = [
        replace(e, instance=replace(e.instance, id=f"mine:{copy}{e.instance.id}"))
        for copy in range(-(-count // 9))
        for e in some.examples
    ]
    return Dataset("mine", copies[:count])


def interrupt(done: int, total: int) -> None:
    """Interrupt an extraction, as Ctrl-C does, after 150 instances."""
    if done > 150:
        raise KeyboardInterrupt
