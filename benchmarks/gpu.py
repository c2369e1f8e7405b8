"""Patterns of BERT-base, GPT-2 and a Llama of 1B parameters (random weights) on one device, with peak memory.

    python benchmarks/gpu.py [--device cuda] [--sentences 1000] [--large 200]

All words and both levels of sentences of 16 tokens at 50 points, in batches of what memory allows; `--large`
is the number of sentences of the 1B model. On a GPU everything ends within five minutes.
"""

import argparse
import time
from typing import Any

import torch
from measure import print_table
from shapes import VOCABULARY, bert, gpt2, llama, patterns, planned

TOKENS, SAMPLES = 16, 50


def main() -> None:
    """Trace every model's sentences and print rate and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--large", type=int, default=200)
    asked = parser.parse_args()
    device = torch.device(asked.device)
    shapes = {
        "BERT-base": (bert, (12, 768, 12), asked.sentences),
        "GPT-2": (gpt2, (12, 768, 12), asked.sentences),
        "Llama, 1B": (llama, (22, 2048, 32), asked.large),
    }
    rows = []
    for name, (build, shape, sentences) in shapes.items():
        if sentences:
            rows += _rows(name, build(*shape).to(device), sentences, device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print_table(f"{TOKENS} tokens, {SAMPLES} points, float32, {where}", rows)


def _rows(name: str, model: Any, sentences: int, device: torch.device) -> list[tuple[str, str, str]]:
    ids = torch.randint(10, VOCABULARY, (sentences, TOKENS), device=device)
    size, keep = _plan(model, device)
    patterns(model, ids[:1], SAMPLES, keep=keep)  # warms up
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    for some in ids.split(size):
        patterns(model, some, SAMPLES, keep=keep)
    seconds = time.perf_counter() - began
    rows = [
        (f"{name}: {sentences} sentences, batches of {size}", f"{seconds:.1f} s", ""),
        (f"{name}: sentences per second", f"{sentences / seconds:.1f}", ""),
    ]
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 2**30
        rows.append((f"{name}: peak memory", f"{peak:.1f} GiB", ""))
    return rows


def _plan(model: Any, device: torch.device) -> tuple[int, bool]:
    """Return how many sentences go at once, and whether every layer's state is kept."""
    from ipgraph.extractor.tracing.memory import plan

    found = plan(planned(model, device), TOKENS, SAMPLES)
    return found.sentences, found.keep


if __name__ == "__main__":
    main()
