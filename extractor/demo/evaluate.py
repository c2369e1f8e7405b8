"""How well a demo model does on its held-out datasets, asked of the Hugging Face model itself."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from ipgraph.extractor.datasets import Example, Task, load

_BATCH = 250


def accuracies(folder: Path, datasets: Sequence[str]) -> dict[tuple[str, str], float]:
    """Return the share of right answers by (subtask, condition), weights taken as float32.

    Right means QoI > 0: the correct form's logit above the wrong one's, the label's above the other class's.
    """
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for name in datasets:
        dataset = load(name)
        margins = _margins(folder, dataset.task, dataset.examples)
        for example, margin in zip(dataset.examples, margins, strict=True):
            right[example.instance.subtask, example.instance.condition].append(margin > 0)
    return {key: sum(answers) / len(answers) for key, answers in right.items()}


def _margins(folder: Path, task: Task, examples: list[Example]) -> list[float]:
    kind = AutoModelForMaskedLM if task == "masked-lm" else AutoModelForSequenceClassification
    model = kind.from_pretrained(folder, dtype=torch.float32, use_safetensors=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    margins: list[float] = []
    with torch.no_grad():
        for start in range(0, len(examples), _BATCH):
            batch = examples[start : start + _BATCH]
            inputs = tokenizer([e.instance.text for e in batch], padding=True, return_tensors="pt")
            margins += _batch_margins(task, model(**inputs).logits, inputs["input_ids"], tokenizer, batch)
    return margins


def _batch_margins(
    task: Task, logits: torch.Tensor, ids: torch.Tensor, tokenizer: Any, batch: list[Example]
) -> list[float]:
    if task == "masked-lm":
        logits = logits[ids == tokenizer.mask_token_id]
        right = tokenizer.convert_tokens_to_ids([e.instance.correct for e in batch])
        wrong = tokenizer.convert_tokens_to_ids([e.instance.wrong for e in batch])
    else:
        right = [e.instance.label for e in batch]
        wrong = [1 - label for label in right]
    rows = torch.arange(len(batch), device=logits.device)
    margins: list[float] = (logits[rows, right] - logits[rows, wrong]).tolist()
    return margins
