"""Agreement in a decoder or an encoder: patterns on two tasks, evaluated as in Table 1 of the paper.

    python benchmarks/decoder_tasks.py MODEL RUNS [SENTENCES]

Each condition of sva-obj and sva-wsc is a run of its own under RUNS, by default of 10 sentences, with the
first letter capitalised. What is finished is kept: a second start goes on. One line a condition is printed as
JSON: accuracy, ablated accuracies by method and reading of the target's column, concentration, skips.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from ipgraph.extractor.datasets import Dataset, Example, load, subset
from ipgraph.extractor.datasets.example import instance_with
from ipgraph.extractor.evaluation.evaluate import evaluate
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.graphstore.runs.directory import RunDirectory

TASKS = ("sva-obj", "sva-wsc")
METRICS = ("ablated_accuracy", "concentration_positive", "concentration_negative", "skip_share", "alignment")


def main() -> None:
    """Extract and evaluate what is missing, then print all."""
    name, runs = sys.argv[1:3]
    sentences = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    model = load_model(name)
    for dataset in conditions(model, sentences):
        run = extract(model, dataset, runs_dir=runs)
        if not run.measures():
            evaluate(run, model=model)
        print(json.dumps(summary(run, model)), flush=True)


def conditions(model: LoadedModel, sentences: int) -> Iterator[Dataset]:
    """Yield a dataset for each condition of the tasks."""
    for task in TASKS:
        by_condition: dict[str, list[Example]] = defaultdict(list)
        for example in load(task, task=model.task).examples:
            by_condition[example.instance.condition].append(example)
        for examples in by_condition.values():
            yield Dataset(task, [capitalised(example) for example in subset(examples, sentences)])


def capitalised(example: Example) -> Example:
    """Return an example whose text begins with a capital letter."""
    text = example.instance.text
    return replace(example, instance=instance_with(example.instance, text=text[0].upper() + text[1:]))


def summary(run: RunDirectory, model: LoadedModel) -> dict[str, object]:
    """Return a condition's figures."""
    predictions = list(run.records("predictions"))
    instance = next(iter(run.records("instances")))
    measured = {
        "/".join(filter(None, (m.metric, m.method, m.level, m.target, m.size))): round(m.value, 3)
        for m in run.measures()
        if m.metric in METRICS and not m.grouping
    }
    return {
        "model": model.key,
        "run": run.id,
        "task": run.run.dataset,
        "condition": instance.condition,
        "sentences": len(predictions),
        "accuracy": sum(p.is_correct for p in predictions) / len(predictions),
        "points": sorted(p.points for p in predictions),
        "unsettled": run.run.unsettled,
        **measured,
    }


if __name__ == "__main__":
    main()
