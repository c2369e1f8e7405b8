"""Every method that scores tokens on a dataset, against guided patterns with 50 points.

    python benchmarks/methods.py [--dataset sva-obj] [--limit 1000] [--model demo]

A method's seconds are those of its run: extraction into a new run directory with a model that is loaded.
Shapley values are left out: they take 2^N flows.
"""

import argparse
import tempfile
from time import perf_counter

from measure import print_table

from ipgraph.extractor.datasets import Dataset, load
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.models.loading import LoadedModel, load_model

APART = ("hta", "flow_shapley")
"""Not among those that together are to take less time than guided patterns."""


def main() -> None:
    """Run the methods and print their seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="sva-obj")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--limit", type=int, default=1000)
    asked = parser.parse_args()
    model = load_model(asked.model)
    dataset = load(asked.dataset, task=model.task)
    methods = [name for name, method in METHODS.items() if method.family != "paths" and name not in APART]
    seconds = {name: extraction(model, dataset, name, asked.limit) for name in [*methods, "hta"]}
    guided = extraction(model, dataset, "gpr", asked.limit, n_steps=50)
    together = sum(seconds[name] for name in methods)
    rows = [(f"{name}: seconds", f"{value:.2f}", "") for name, value in seconds.items()]
    rows += [
        ("guided patterns, 50 points: seconds", f"{guided:.2f}", ""),
        ("all but hta / guided patterns", f"{together / guided:.2f}", "at most 1"),
        ("hta / guided patterns", f"{seconds['hta'] / guided:.2f}", "at most 4"),
    ]
    print_table(f"Scores of tokens: {asked.limit} sentences of {asked.dataset}, model {asked.model}", rows)


def extraction(model: LoadedModel, dataset: Dataset, method: str, limit: int, **options: int) -> float:
    """Return how many seconds a run takes."""
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        extract(model, dataset, runs_dir=folder, method=method, limit=limit, **options)  # type: ignore[arg-type]
        return perf_counter() - began


if __name__ == "__main__":
    main()
