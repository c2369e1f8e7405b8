"""Short sentences that any model can read, as token ids: those that a model is timed and checked on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ipgraph.extractor.datasets import MASK, load
from ipgraph.extractor.models.encoding import read_at
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.batch import Baseline, Batch
from ipgraph.graphstore.common.errors import UsageError

COUNT = 3
_DATASETS = {"masked-lm": "sva-obj", "causal-lm": "sva-obj", "classifier": "sentiment"}
"""The built-in dataset that a task's sentences are of."""


@dataclass(frozen=True)
class Sentence:
    """A sentence as a model reads it; whether all of its words are in the vocabulary does not matter here."""

    text: str
    ids: tuple[int, ...]
    target: int

    def batch(self, logits: tuple[int, int], device: torch.device) -> Batch:
        """Return the sentence alone, with the two logits whose difference is the QoI."""
        ids = torch.tensor([self.ids], device=device)
        return Batch(
            ids=ids,
            types=torch.zeros_like(ids),
            mask=torch.ones_like(ids, dtype=torch.bool),
            target=torch.tensor([self.target], device=device),
            qoi_logits=torch.tensor([logits], device=device),
        )

    def starts(self, model: LoadedModel, baseline: Baseline) -> Tensor:
        """Return where the path of each word starts, [N, E]."""
        words = model.adapter.words[torch.tensor(self.ids, device=model.device)]
        return baseline.of(words[None]).expand(1, *words.shape)[0]


def sentences(model: LoadedModel) -> list[Sentence]:
    """Return three sentences of a built-in dataset, one per condition; a decoder's end before [MASK].

    Raises UsageError where the tokenizer makes nothing of them.
    """
    examples = load(_DATASETS[model.task], limit=COUNT).examples
    return [_read(model, example.instance.text) for example in examples]


def _read(model: LoadedModel, text: str) -> Sentence:
    if model.task == "causal-lm":
        text = text.partition(MASK)[0].strip()
    if not model.tokenizer(text, add_special_tokens=False)["input_ids"]:
        raise UsageError(f"the tokenizer of model {model.name!r} finds no piece in {text!r}")
    ids = model.tokenizer(text.replace(MASK, model.tokenizer.mask_token or MASK))["input_ids"]
    target = len(ids) - 1
    if model.task == "masked-lm":
        target = ids.index(model.tokenizer.mask_token_id)
    elif model.task == "classifier":
        target = read_at(model, ids)
    if model.adapter.reads == "last":
        ids = ids[: target + 1]
    longest = model.adapter.max_positions
    start = max(0, target + 1 - longest)
    return Sentence(text, tuple(ids[start : start + longest]), target - start)
