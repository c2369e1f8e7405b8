"""Small dataset files to read, and one good row of each kind."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ipgraph.extractor.datasets.example import Example

Record = dict[str, Any]

MASKED = {"text": "the farmers that the man loves [MASK] old .", "correct": "are", "wrong": "is"}
PAIR = {"sentence_good": "The cats sleep.", "sentence_bad": "The cats sleeps.", "UID": "sv", "pairID": "7"}
LABELLED = {"sentence": "it 's a charming journey . ", "label": 1, "idx": 0}
WORD = st.text("abcdefgxyzéß'-", min_size=1, max_size=6).filter(lambda w: w != "-")
SENTENCE = st.lists(WORD, min_size=1, max_size=8)
ONE_FILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""For properties that write the same file again and again."""


def jsonl(*records: Record) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "set.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@st.composite
def masked_records(draw: st.DrawFn) -> Record:
    words = draw(SENTENCE)
    words.insert(draw(st.integers(0, len(words))), "[MASK]")
    correct, wrong = draw(st.lists(WORD, min_size=2, max_size=2, unique=True))
    condition, name = draw(st.sampled_from(["", "sing", "plur"])), draw(WORD)
    return {
        "text": " ".join([*words, "."]),
        "correct": correct,
        "wrong": wrong,
        "condition": condition,
        "id": name,
    }


def contents(examples: Sequence[Example]) -> list[Record]:
    names = {"id": "name"}
    keys = ("text", "correct", "wrong", "condition", "id")
    return [{key: getattr(e.instance, names.get(key, key)) for key in keys} for e in examples]
