"""ALTI of random models against forward passes of the same batch, for texts of 11 to 128 tokens.

    python benchmarks/alti.py [--layers 6 --hidden 384 --heads 12] [--sentences 8] [--device cpu]

The baseline of the same run is the Hugging Face model's own forward pass (sdpa) up to its last hidden states.
"""

import argparse
from functools import partial
from typing import Any

import torch
from measure import medians_in_turn, print_table
from shapes import adapter_of, bert, llama
from torch import Tensor

from ipgraph.extractor.methods.decomposition.matrices import layer_matrices
from ipgraph.extractor.tracing.batch import Batch

SHAPES = {"bert": bert, "llama": llama}
TOKENS = (11, 16, 32, 64, 128)


def main() -> None:
    """Run the comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in {"layers": 6, "hidden": 384, "heads": 12, "sentences": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    rows = []
    for name, build in SHAPES.items():
        model = build(asked.layers, asked.hidden, asked.heads).to(asked.device)
        for tokens in TOKENS:
            ids = torch.randint(10, 100, (asked.sentences, tokens)).to(asked.device)
            ours, plain = medians_in_turn(partial(alti, model, ids), partial(forward, model, ids))
            what = f"{name}, {tokens} tokens"
            rows += [
                (f"{what}: sentences per second", f"{asked.sentences / ours:.1f}", ""),
                (f"{what}: ALTI / forward pass", f"{ours / plain:.2f}", "at most 3"),
            ]
    size = f"L={asked.layers}, H={asked.hidden}, A={asked.heads}, batch of {asked.sentences}"
    print_table(f"ALTI: {size}, {asked.device}, float32", rows)


def alti(model: Any, ids: Tensor) -> Tensor:
    """Return the layer matrices of a batch."""
    target = torch.zeros_like(ids[:, 0])
    mask = torch.ones_like(ids, dtype=torch.bool)
    batch = Batch(ids, torch.zeros_like(ids), mask, target, torch.zeros_like(ids[:, :2]))
    return layer_matrices(adapter_of(model), batch).cpu()


@torch.no_grad()
def forward(model: Any, ids: Tensor) -> Tensor:
    """Return the last hidden states of a batch."""
    states: Tensor = model.base_model(ids).last_hidden_state
    return states.cpu()


if __name__ == "__main__":
    main()
