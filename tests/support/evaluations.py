"""A run of a tiny model that was evaluated, with its records as the tests of evaluation read them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ipgraph.extractor.datasets import Dataset, Example, make_instance
from ipgraph.extractor.evaluation.evaluate import evaluate
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.measures import MeasureKey
from ipgraph.graphstore.schema.records import Instance, Measure, Pattern, Prediction
from support.tiny_models import save_masked_lm

TEXTS = {
    "long": [
        "the farmers that the farmer likes [MASK] old .",
        "the farmer that the farmers like [MASK] tall .",
        "a farmer that the farmer likes [MASK] good .",
    ],
    "short": ["the farmer [MASK] bad .", "the farmers [MASK] tall .", "a film [MASK] not good ."],
}
OPTIONS: dict[str, Any] = {
    "draws": 4,
    "resamples": 40,
    "methods": ("attention", "conductance", "random", "skip_replaced"),
}


@dataclass(frozen=True)
class Sentence:
    """One instance of the run with its patterns by level."""

    instance: Instance
    evaluation: Prediction
    patterns: dict[str, list[Pattern]]

    def positive(self, level: str) -> list[Pattern]:
        return [p for p in self.patterns[level] if p.total_influence >= 0]

    @property
    def length(self) -> int:
        return len(self.evaluation.tokens)


@dataclass(frozen=True)
class Evaluated:
    model: LoadedModel
    run: RunDirectory
    measures: dict[MeasureKey, Measure]
    sentences: list[Sentence]

    def value(self, metric: str, method: str, level: str, **columns: Any) -> float:
        return self.measures[MeasureKey(metric, method, level, **columns)].value


def by_key(measures: Sequence[Measure]) -> dict[MeasureKey, Measure]:
    return {MeasureKey.of(measure): measure for measure in measures}


def make_run(model: LoadedModel, root: Path, **options: Any) -> RunDirectory:
    examples = [
        Example(make_instance("t", text, correct=correct, wrong=wrong, subtask=subtask))
        for subtask, texts in TEXTS.items()
        for text, (correct, wrong) in zip(texts, (("is", "are"), ("are", "is"), ("is", "are")), strict=True)
    ]
    return extract(model, Dataset("t", examples), runs_dir=root, n_steps=4, quadrature="uniform", **options)


def make_evaluated(root: Path) -> Evaluated:
    model = load_model(save_masked_lm(root / "model"), dtype="float64", device="cpu")
    run = make_run(model, root / "runs")
    measures = evaluate(run, **OPTIONS)
    patterns: dict[tuple[str, str], list[Pattern]] = defaultdict(list)
    for pattern in run.records("patterns"):
        patterns[pattern.instance, pattern.level].append(pattern)
    sentences = [
        Sentence(i, e, {level: patterns[i.id, level] for level in ("embedding", "attention")})
        for i, e in zip(run.records("instances"), run.records("predictions"), strict=True)
    ]
    return Evaluated(model, run, by_key(measures), sentences)
