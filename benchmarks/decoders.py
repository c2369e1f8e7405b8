"""All words and both levels of random decoders, against plain integrated gradients, on one device.

    python benchmarks/decoders.py [--layers 12 --hidden 768 --heads 12] [--tokens 16]
        [--samples 50] [--batch 1] [--device cpu]

The baseline of the same run: integrated gradients of the Hugging Face model (sdpa, frozen parameters, only
the two logits at the target, the same samples and batch).
"""

import argparse
from functools import partial
from typing import Any

import torch
from measure import medians_in_turn, print_table
from shapes import BASELINE, CORRECT, WRONG, gpt2, llama, patterns
from torch import Tensor

SHAPES = {"gpt2": gpt2, "llama": llama}


def main() -> None:
    """Run the comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    sizes = {"layers": 12, "hidden": 768, "heads": 12, "tokens": 16, "samples": 50, "batch": 1}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    rows = []
    for name, build in SHAPES.items():
        model = build(asked.layers, asked.hidden, asked.heads).to(asked.device)
        ids = torch.randint(10, 100, (asked.batch, asked.tokens)).to(asked.device)
        ours, plain = medians_in_turn(
            partial(patterns, model, ids, asked.samples),
            partial(integrated_gradients, model, ids, asked.samples),
        )
        rows += [
            (f"{name}: plain integrated gradients, per sentence", f"{plain / asked.batch:.3f} s", ""),
            (f"{name}: patterns of both levels, all words, per sentence", f"{ours / asked.batch:.3f} s", ""),
            (f"{name}: patterns / integrated gradients", f"{ours / plain:.2f}", "at most 3"),
        ]
    size = f"L={asked.layers}, H={asked.hidden}, A={asked.heads}, {asked.tokens} tokens"
    how = f"{asked.samples} samples, batch of {asked.batch}, {asked.device}, float32"
    print_table(f"Decoders: {size}, {how}", rows)


def integrated_gradients(model: Any, ids: Tensor, samples: int) -> Tensor:
    """Return every word's total influence [B, N] by autograd through the Hugging Face model."""
    words = model.get_input_embeddings()
    x, x_b = words(ids), words.weight[BASELINE]
    points = torch.linspace(0, 1, samples, device=ids.device)
    line = (x_b + points[:, None, None] * (x - x_b)[:, None]).flatten(0, 1).requires_grad_()
    h = model.base_model(inputs_embeds=line).last_hidden_state[:, -1]
    pair = h @ model.lm_head.weight[[CORRECT, WRONG]].T
    (gradient,) = torch.autograd.grad((pair[:, 0] - pair[:, 1]).sum(), line)
    g: Tensor = (gradient.view(len(ids), samples, *x.shape[1:]).mean(1) * (x - x_b)).sum(-1)
    return g.cpu()


if __name__ == "__main__":
    main()
