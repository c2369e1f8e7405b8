"""Train the demo models: `python -m ipgraph.extractor.demo.train [MODEL ...] [--out DIR]`.

Fixed seeds and one thread: the same versions of torch and transformers give the same weights on the same kind
of processor. A model is written only if its held-out accuracy, from the float16 weights, is high enough.
"""

import argparse
import logging
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.nn.functional import cross_entropy

from ipgraph.extractor.datasets import Task
from ipgraph.extractor.datasets.grammars.grammar import TARGET, Sentence
from ipgraph.extractor.demo.card import write_card
from ipgraph.extractor.demo.corpus import training_sentences
from ipgraph.extractor.demo.evaluate import accuracies
from ipgraph.extractor.demo.recipes import HIDDEN, RECIPES, Recipe
from ipgraph.graphstore.common.errors import IpgraphError

SEED = 20211206
BATCH = 64
REQUIRED = 0.95
"""Held-out accuracy that every condition of every subtask must reach."""
_IGNORED = -100  # cross_entropy leaves these positions out
_MASK_SHARE = 0.1  # words masked besides the target
_SMOOTHING = 0.1  # of a classifier's labels: keeps its logits from changing too abruptly to integrate

_log = logging.getLogger(__name__)


def train(recipe: Recipe, folder: Path) -> None:
    """Train one demo model and write weights (float16), config, tokenizer and model card into `folder`.

    Raises IpgraphError, writing nothing there, where a condition's held-out accuracy is below REQUIRED.
    """
    torch.manual_seed(SEED)
    tokenizer = recipe.tokenizer(recipe.vocabulary())
    model = recipe.model(recipe.config(tokenizer))
    _fit(model, tokenizer, recipe)
    with tempfile.TemporaryDirectory() as scratch:
        _save(model, tokenizer, Path(scratch))
        reached = accuracies(Path(scratch), recipe.task, recipe.datasets)
    below = [f"{subtask} {condition} {a:.3f}" for (subtask, condition), a in reached.items() if a < REQUIRED]
    if below:
        raise IpgraphError(f"{recipe.name} is below {REQUIRED} on {', '.join(below)}: nothing written")
    _save(model, tokenizer, folder)
    write_card(folder, recipe.name, reached, _facts(recipe, model))


def _fit(model: Any, tokenizer: Any, recipe: Recipe) -> None:
    sentences = training_sentences(recipe.grammars(), SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe))
    model.train()
    for step in range(recipe.steps):
        loss = _loss(model, tokenizer, recipe.task, list(islice(sentences, BATCH)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            _log.info("%s: step %d of %d, loss %.3f", recipe.name, step + 1, recipe.steps, loss.item())


def _rate(step: int, recipe: Recipe) -> float:
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    return (recipe.steps - step) / (recipe.steps - recipe.warmup)


def _loss(model: Any, tokenizer: Any, task: Task, batch: list[Sentence]) -> torch.Tensor:
    texts = [" ".join(s.words) for s in batch]
    if task == "causal-lm":
        return _next_word_loss(model, tokenizer, texts)
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    ids = inputs["input_ids"]
    masked = _masked(ids, tokenizer, batch)
    logits = model(**{**inputs, "input_ids": ids.masked_fill(masked, tokenizer.mask_token_id)}).logits
    if task == "classifier":
        labels = torch.tensor([s.condition.label for s in batch], device=logits.device)
        return cross_entropy(logits, labels, label_smoothing=_SMOOTHING)
    labels = ids.masked_fill(~masked, _IGNORED)
    return cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=_IGNORED)


def _next_word_loss(model: Any, tokenizer: Any, texts: list[str]) -> torch.Tensor:
    ended = [f"{text} {tokenizer.eos_token}" for text in texts]
    inputs = tokenizer(ended, padding=True, return_tensors="pt")
    logits, following = model(**inputs).logits[:, :-1], inputs["input_ids"][:, 1:]
    return cross_entropy(logits.flatten(0, 1), following.flatten(), ignore_index=tokenizer.pad_token_id)


def _masked(ids: torch.Tensor, tokenizer: Any, batch: list[Sentence]) -> torch.Tensor:
    """Return where to mask: targets always, other words at random, special tokens never."""
    masked = torch.rand(ids.shape, device=ids.device) < _MASK_SHARE
    masked &= ~torch.isin(ids, torch.tensor(tokenizer.all_special_ids, device=ids.device))
    for row, sentence in enumerate(batch):
        if TARGET in sentence.roles:
            masked[row, 1 + sentence.roles.index(TARGET)] = True  # 1: after [CLS]
    return masked


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write weights, config and tokenizer; the model's own weights become float16 too."""
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _facts(recipe: Recipe, model: Any) -> dict[str, str]:
    return {
        "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
        "hidden size": str(HIDDEN),
        "vocabulary": f"{model.config.vocab_size} words",
        "training sentences": f"{recipe.steps * BATCH:,} in {recipe.steps:,} steps",
        "seed": str(SEED),
        "versions": f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the models named on the command line, all by default."""
    parser = argparse.ArgumentParser(
        prog="python -m ipgraph.extractor.demo.train", description="Train demo models."
    )
    parser.add_argument("models", nargs="*", default=list(RECIPES), metavar="MODEL", help=", ".join(RECIPES))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder that holds theirs")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    for name in options.models:
        train(RECIPES[name], options.out / name)


if __name__ == "__main__":
    main()
