"""From sentences to a loaded store with the demo model, as a user runs it: time, and memory that stays flat.

python benchmarks/pipeline.py [--sentences 1000]
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from measure import print_table

_FEWER = 10


def main() -> None:
    """Run the command twice, on all sentences and on a tenth of them, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sentences", type=int, default=1000)
    asked = parser.parse_args()
    few_seconds, few_memory = ingest(asked.sentences // _FEWER)
    seconds, memory = ingest(asked.sentences)
    rows = [
        (f"{asked.sentences // _FEWER} sentences, extraction to loaded store", f"{few_seconds:.1f} s", ""),
        (f"{asked.sentences} sentences, extraction to loaded store", f"{seconds:.1f} s", "under 120 s"),
        (f"peak memory at {asked.sentences // _FEWER}", f"{few_memory / 2**20:.0f} MiB", ""),
        (f"peak memory at {asked.sentences}", f"{memory / 2**20:.0f} MiB", ""),
        ("peak memory, ratio", f"{memory / few_memory:.3f}", "at most 1.10"),
    ]
    print_table("Pipeline: ipgraph ingest dataset sva-obj, demo model, one process", rows)


def ingest(limit: int) -> tuple[float, float]:
    """Return wall-clock seconds and peak resident bytes of one `ipgraph ingest dataset`."""
    command = Path(sys.executable).parent / "ipgraph"
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(command), "ingest", "dataset", "sva-obj", "--limit", str(limit)]
        arguments += ["--runs-dir", f"{folder}/runs", "--store", f"{folder}/ipgraph.db"]
        began = time.perf_counter()
        child = os.posix_spawn(command, arguments, os.environ)
        _, status, usage = os.wait4(child, 0)
        seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"ipgraph ended with status {status}")
    return seconds, usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
