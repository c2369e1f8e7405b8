"""How well a demo model does on its held-out datasets, asked of the Hugging Face model itself."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from ipgraph.extractor.datasets import MASK, Example, Task, load

_BATCH = 250
_MODELS: dict[Task, Any] = {
    "masked-lm": AutoModelForMaskedLM,
    "causal-lm": AutoModelForCausalLM,
    "classifier": AutoModelForSequenceClassification,
}


def accuracies(folder: Path, task: Task, datasets: Sequence[str]) -> dict[tuple[str, str], float]:
    """Return the share of right answers by (subtask, condition), weights taken as float32.

    Right means QoI > 0: the correct form's logit above the wrong one's, the label's above the other class's.
    A causal model reads what stands before [MASK] and no more.
    """
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for name in datasets:
        examples = load(name).examples
        for example, margin in zip(examples, _margins(folder, task, examples), strict=True):
            right[example.instance.subtask, example.instance.condition].append(margin > 0)
    return {key: sum(answers) / len(answers) for key, answers in right.items()}


def _margins(folder: Path, task: Task, examples: list[Example]) -> list[float]:
    model = _MODELS[task].from_pretrained(folder, dtype=torch.float32, use_safetensors=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    margins: list[float] = []
    with torch.no_grad():
        for start in range(0, len(examples), _BATCH):
            batch = examples[start : start + _BATCH]
            inputs = tokenizer([_read(task, e) for e in batch], padding=True, return_tensors="pt")
            margins += _batch_margins(task, model(**inputs).logits, inputs, tokenizer, batch)
    return margins


def _read(task: Task, example: Example) -> str:
    text = example.instance.text
    return text.partition(MASK)[0] if task == "causal-lm" else text


def _batch_margins(
    task: Task, logits: torch.Tensor, inputs: Any, tokenizer: Any, batch: list[Example]
) -> list[float]:
    rows = torch.arange(len(batch), device=logits.device)
    if task == "masked-lm":
        logits = logits[inputs["input_ids"] == tokenizer.mask_token_id]
    if task == "causal-lm":
        logits = logits[rows, inputs["attention_mask"].sum(1) - 1]
    if task == "classifier":
        right = [e.instance.label for e in batch]
        wrong = [1 - label for label in right]
    else:
        right = tokenizer.convert_tokens_to_ids([e.instance.correct for e in batch])
        wrong = tokenizer.convert_tokens_to_ids([e.instance.wrong for e in batch])
    margins: list[float] = (logits[rows, right] - logits[rows, wrong]).tolist()
    return margins
