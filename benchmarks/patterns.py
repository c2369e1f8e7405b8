"""Both levels for all words of a sentence, against plain integrated gradients and the published way.

    python benchmarks/patterns.py [--layers 6 --hidden 512 --heads 8 --tokens 11 --samples 50 --batch 1]
        [--device cpu] [--no-published]

Baselines of the same run: integrated gradients of the Hugging Face model (sdpa, frozen parameters, only the
two logits at the target, the same samples and batch), and `published.py` with as many passes as its authors'.
"""

import argparse
import time
from typing import Any

import torch
from measure import medians_in_turn, print_table
from published import Network, refine
from shapes import BASELINE, CORRECT, WRONG, adapter_of, bert, patterns
from torch import Tensor


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    sizes = {"layers": 6, "hidden": 512, "heads": 8, "tokens": 11, "samples": 50, "batch": 1}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-published", action="store_true", help="leave the slow baseline out")
    asked = parser.parse_args()
    model = bert(asked.layers, asked.hidden, asked.heads).to(asked.device)
    ids = torch.randint(10, 100, (asked.batch, asked.tokens)).to(asked.device)
    target = asked.tokens - 4
    ours, plain = medians_in_turn(
        lambda: patterns(model, ids, asked.samples, target=target),
        lambda: integrated_gradients(model, ids, target, asked.samples),
    )
    rows = [
        ("plain integrated gradients, per sentence", f"{plain / asked.batch:.3f} s", ""),
        ("patterns of both levels, all words, per sentence", f"{ours / asked.batch:.3f} s", ""),
        ("patterns / integrated gradients", f"{ours / plain:.2f}", "at most 3"),
    ]
    if not asked.no_published:
        slow, agreed = _published(model, ids[:1], target, asked.samples)
        rows += [
            ("the published way, one run, per sentence", f"{slow:.1f} s", ""),
            ("published way / patterns", f"{slow / (ours / asked.batch):.0f}", "at least 80"),
            ("choices of both that agree", agreed, "all"),
        ]
    size = (
        f"L={asked.layers}, H={asked.hidden}, A={asked.heads}, {asked.tokens} tokens, {asked.samples} samples"
    )
    print_table(f"Patterns: {size}, batch of {asked.batch}, {asked.device}, float32", rows)


def _points(samples: int, device: str) -> Tensor:
    return torch.linspace(0, 1, samples, device=device)


def integrated_gradients(
    model: Any,
    ids: Tensor,
    target: int,
    samples: int,
    logits: tuple[int, int] = (CORRECT, WRONG),
    baseline: int = BASELINE,
) -> Tensor:
    """Return every word's total influence [B, N] by autograd through the Hugging Face model."""
    words, head = model.bert.embeddings.word_embeddings, model.cls.predictions
    x, x_b = words(ids), words.weight[baseline]
    points = _points(samples, str(ids.device))
    line = (x_b + points[:, None, None] * (x - x_b)[:, None]).flatten(0, 1).requires_grad_()
    h = model.bert(inputs_embeds=line).last_hidden_state[:, target]
    rows = list(logits)
    pair = torch.nn.functional.linear(head.transform(h), head.decoder.weight[rows], head.decoder.bias[rows])
    (gradient,) = torch.autograd.grad((pair[:, 0] - pair[:, 1]).sum(), line)
    g: Tensor = (gradient.view(len(ids), samples, *x.shape[1:]).mean(1) * (x - x_b)).sum(-1)
    return g.cpu()


def _published(model: Any, ids: Tensor, target: int, samples: int) -> tuple[float, str]:
    """Return the seconds the published way takes for one sentence and how many choices agree with ours."""
    positions, choices = patterns(model, ids, samples, target=target)
    adapter = adapter_of(model)
    x, x_b = adapter.words[ids], adapter.words[BASELINE]
    points = _points(samples, str(ids.device))
    words = x_b + points[:, None, None] * (x - x_b) + adapter.offset(torch.zeros_like(ids))
    h0, saved = adapter.enter(words)
    tangents = adapter.enter.jvp(saved, (x - x_b).expand_as(words).contiguous())
    network = Network(model, target, (CORRECT, WRONG))
    began = time.perf_counter()
    found = [refine(network, h0, tangents, word) for word in range(ids.shape[1])]
    seconds = time.perf_counter() - began
    same = sum(
        path == positions[0, word].tolist() and heads == choices[0, word].tolist()
        for word, (path, heads) in enumerate(found)
    )
    return seconds, f"{same} of {len(found)} words"


if __name__ == "__main__":
    main()
