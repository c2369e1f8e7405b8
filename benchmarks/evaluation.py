"""Evaluating 1,000 instances by all methods, from a finished run of guided patterns.

python benchmarks/evaluation.py [--model demo --dataset sva-obj --limit 1000]
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import print_table

from ipgraph.extractor.evaluation.evaluate import evaluate
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models.loading import load_model


def main() -> None:
    """Extract, then evaluate once, and print both times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--dataset", default="sva-obj")
    parser.add_argument("--limit", type=int, default=1000)
    asked = parser.parse_args()
    model = load_model(asked.model)
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = extract(model, asked.dataset, limit=asked.limit, runs_dir=Path(folder))
        extracted = time.perf_counter()
        measures = evaluate(run, model=model)
        done = time.perf_counter()
    rows = [
        ("extracting guided patterns, both levels", f"{extracted - began:.0f} s", ""),
        ("evaluating them beside all methods", f"{done - extracted:.0f} s", "under 300 s on 2 cores"),
        ("figures with intervals", f"{len(measures)}", ""),
    ]
    print_table(f"Evaluation: {run.run.instances} instances of {asked.dataset}, model {asked.model}", rows)


if __name__ == "__main__":
    main()
