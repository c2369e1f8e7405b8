"""The demo models' cards: what a model is, how it was made, and its held-out accuracy by condition."""

from collections.abc import Mapping
from pathlib import Path

_HEADS = {
    "agreement": """\
# Demo model for the agreement subtasks

A `BertForMaskedLM` with 6 layers and 8 heads, trained from random weights on template sentences only. It
exists so that ipgraph runs offline (`--model demo`). It knows nothing but these templates: findings about it
say nothing about English.
""",
    "sentiment": """\
# Demo model for the sentiment set

A `BertForSequenceClassification` (0 negative, 1 positive) with 6 layers and 8 heads, trained from random
weights on template sentences only. It exists so that ipgraph runs offline (`--model demo-sentiment`). It
knows nothing but these templates, in which `not good` is negative and `not bad` positive by construction.
""",
    "gpt2": """\
# Demo decoder for the agreement subtasks

A `GPT2LMHeadModel` with 6 layers and 8 heads, trained from random weights on template sentences only. It
exists so that ipgraph runs offline (`--model demo-gpt2`). It knows nothing but these templates: findings
about it say nothing about English. Its tokenizer puts [BOS] before a text; sentences end with [EOS].
The form of the verb or pronoun is the next word after what stands before [MASK], all that the model reads.
""",
    "modernbert": """\
# Demo model with windows for the agreement subtasks

A `ModernBertForMaskedLM` with 6 layers and 8 heads, trained from random weights on template sentences only.
It exists so that ipgraph runs offline (`--model demo-modernbert`). It knows nothing but these templates:
findings about it say nothing about English. Layers 1 and 4 see the whole sentence, the others four positions
to each side, which is less than the distance from the subject to the target in all subtasks but `sva-wsc`.
""",
}


def write_card(
    folder: Path, name: str, accuracies: Mapping[tuple[str, str], float], facts: Mapping[str, str]
) -> None:
    """Write README.md beside the weights."""
    rows = [f"| {subtask} | {condition} | {a:.3f} |" for (subtask, condition), a in accuracies.items()]
    lines = [
        _HEADS[name],
        *(f"- {key}: {value}" for key, value in facts.items()),
        f"- made by: `python -m ipgraph.extractor.demo.train {name}`",
        "- license: MIT, as the rest of the project",
        "",
        "## Held-out accuracy",
        "",
        "On 250 sentences a condition of the built-in datasets (seed 0), whose content words never occur",
        "together in training; from the shipped float16 weights, computed in float32.",
        "",
        "| subtask | condition | accuracy |",
        "|---|---|---:|",
        *rows,
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
