"""Hidden token attribution of one sentence, against autograd's Jacobian, row by row, in the same run.

    python benchmarks/hidden_tokens.py [--layers 6 --hidden 384 --heads 12] [--tokens 11] [--rows 200]

The baseline takes one backward pass for each unit of each hidden state and head: `--rows` of them, evenly
spaced over all layers, are timed, and their mean is multiplied by the number of all.
"""

import argparse
from functools import partial
from typing import Any

import torch
from measure import medians_in_turn, print_table
from shapes import adapter_of, bert
from torch import Tensor

from ipgraph.extractor.methods.hidden_tokens.jacobians import hidden_tokens
from ipgraph.extractor.tracing.batch import Batch


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in {"layers": 6, "hidden": 384, "heads": 12, "tokens": 11, "rows": 200}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    model = bert(asked.layers, asked.hidden, asked.heads)
    ids = torch.randint(10, 100, (1, asked.tokens))
    start, outputs = outputs_of(model, ids)
    total = sum(output.numel() for output in outputs)
    ours, sampled = medians_in_turn(
        partial(attributions, model, ids), partial(backward_passes, start, outputs, total // asked.rows)
    )
    plain = sampled / len(range(0, total, total // asked.rows)) * total
    rows = [
        ("hidden token attribution", f"{ours:.2f} s", ""),
        (f"autograd: {total} rows of the Jacobian, from {asked.rows}", f"{plain:.1f} s", ""),
        ("autograd / hidden token attribution", f"{plain / ours:.1f}", "at least 20"),
    ]
    size = f"L={asked.layers}, H={asked.hidden}, A={asked.heads}, {asked.tokens} tokens"
    print_table(f"Hidden token attribution: {size}, cpu, float32", rows)


def attributions(model: Any, ids: Tensor) -> object:
    """Return all attributions of a sentence."""
    mask = torch.ones_like(ids, dtype=torch.bool)
    batch = Batch(ids, torch.zeros_like(ids), mask, torch.zeros_like(ids[:, 0]), torch.zeros_like(ids[:, :2]))
    return hidden_tokens(adapter_of(model), batch)


def outputs_of(model: Any, ids: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return h^0 and, with its graph, every layer's contexts and output in one row each."""
    h = start = model.bert.embeddings(ids).requires_grad_()
    outputs: list[Tensor] = []
    for layer in model.bert.encoder.layer:
        dense = layer.attention.output.dense
        hook = dense.register_forward_pre_hook(lambda _, inputs: outputs.append(inputs[0].flatten()))
        found = layer(h)
        hook.remove()
        h = found[0] if isinstance(found, tuple) else found
        outputs.append(h.flatten())
    return start, outputs


def backward_passes(start: Tensor, outputs: list[Tensor], step: int) -> None:
    """Compute one row of the Jacobian in every `step`."""
    rows = torch.cat(
        [torch.full_like(output, index, dtype=torch.long) for index, output in enumerate(outputs)]
    )
    firsts = torch.tensor([0, *[output.numel() for output in outputs]]).cumsum(0)
    for row in range(0, len(rows), step):
        which = int(rows[row])
        torch.autograd.grad(outputs[which][row - int(firsts[which])], start, retain_graph=True)


if __name__ == "__main__":
    main()
