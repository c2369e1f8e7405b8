"""The plan for memory beside what a process takes: a random Llama of SmolLM2-135M's shape, by default.

    python benchmarks/memory.py [--tokens 32] [--points 192] [--within 4]

All words of one sentence at both levels, in float32 on the CPU, planned so that the whole process, weights
and libraries included, stays within a number of GiB. Linux only: it reads /proc.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from measure import print_table
from shapes import made, planned, traced
from transformers import LlamaConfig, LlamaForCausalLM

from ipgraph.extractor.methods.patterns.search import attention_paths, embedding_paths
from ipgraph.extractor.tracing.memory import plan, sentence_bytes

_STATUS = Path("/proc/self/status")


@torch.no_grad()
def main() -> None:
    """Trace and search once, and print what was planned and what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--points", type=int, default=192)
    parser.add_argument("--within", type=float, default=4.0, help="GiB")
    asked = parser.parse_args()
    model = planned(_model(), torch.device("cpu"))
    loaded = _now("VmRSS")
    how = plan(model, asked.tokens, asked.points, sentences=1, budget=int(asked.within * 2**30) - loaded)
    expected = sentence_bytes(model, asked.tokens, asked.points, how)
    began = time.perf_counter()
    ids = torch.randint(10, 49152, (1, asked.tokens))
    trace = traced(model.adapter, ids, asked.points, keep=how.keep)
    at_trace = _now("VmHWM")
    for words in torch.arange(asked.tokens)[None].split(how.words, 1):
        attention_paths(trace, embedding_paths(trace, words))
    most = _now("VmHWM")
    rows = [
        ("the process with the model loaded", _gib(loaded), ""),
        ("plan: words at a time, states kept", f"{how.words}, {how.keep}", ""),
        ("plan: a sentence", _gib(expected), ""),
        ("the trace beside the model", _gib(at_trace - loaded), ""),
        ("trace and search beside the model", _gib(most - loaded), f"at most {_gib(expected)}"),
        ("the process at its peak", _gib(most), f"at most {asked.within:g} GiB"),
        ("time", f"{time.perf_counter() - began:.0f} s", ""),
    ]
    size = f"Llama of SmolLM2-135M's shape, {asked.tokens} tokens, {asked.points} points"
    print_table(f"Memory: {size}, both levels, cpu, float32", rows)


def _model() -> Any:
    return made(
        LlamaForCausalLM,
        LlamaConfig(
            vocab_size=49152,
            hidden_size=576,
            num_hidden_layers=30,
            num_attention_heads=9,
            num_key_value_heads=3,
            intermediate_size=1536,
            tie_word_embeddings=True,
        ),
    )


def _now(what: str) -> int:
    """Return the bytes that the process takes (VmRSS), or took at most (VmHWM)."""
    lines = _STATUS.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 2**10


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"


if __name__ == "__main__":
    main()
