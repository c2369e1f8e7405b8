"""The paper's six tasks, one structure each and with roles, from JSONL files of their instances.

    python benchmarks/paper_tasks.py FOLDER OUT

FOLDER holds `sva-obj.jsonl` and so on (text with [MASK], correct, wrong, condition). A sentence of another
structure than its task's is left out and counted: positions can be compared within one structure only.
"""

import json
import sys
from pathlib import Path

NOUN_PHRASE = ["determiner", "subject"]
ATTRACTOR = ["attr_determiner", "attractor"]
END = ["target", "adjective", "punct"]
STRUCTURES: dict[str, list[str]] = {
    "sva-obj": [*NOUN_PHRASE, "relativizer", *ATTRACTOR, "clausal_verb", *END],
    "sva-subj": [*NOUN_PHRASE, "relativizer", "clausal_verb", *ATTRACTOR, *END],
    "sva-wsc": ["attr_determiner", "attractor", "clausal_verb", *NOUN_PHRASE, *END],
    "sva-app": [*NOUN_PHRASE, "preposition", "preposition", *ATTRACTOR, *END],
    "ra-na": [*NOUN_PHRASE, "relativizer", *ATTRACTOR, "clausal_verb", "verb", "target", "punct"],
    # The object-relative ones: the relative clause begins with a noun phrase, not with its auxiliary.
    "ra-ga": [
        *NOUN_PHRASE,
        "relativizer",
        *ATTRACTOR,
        "clausal_aux",
        "clausal_verb",
        "aux",
        "verb",
        "target",
        "punct",
    ],
}
AUXILIARIES = {"will", "would", "can", "could", "might", "may", "should"}


def main() -> None:
    """Write one file a task."""
    source, out = (Path(argument) for argument in sys.argv[1:3])
    out.mkdir(parents=True, exist_ok=True)
    for task, roles in STRUCTURES.items():
        rows = [json.loads(line) for line in (source / f"{task}.jsonl").read_text().splitlines()]
        kept = [row | {"roles": roles} for row in rows if fits(row["text"].split(), roles)]
        (out / f"{task}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in kept))
        print(f"{task}: {len(kept)} kept, {len(rows) - len(kept)} of another structure")


def fits(words: list[str], roles: list[str]) -> bool:
    """Tell whether a sentence has the roles' structure."""
    if len(words) != len(roles) or words[roles.index("target")] != "[MASK]":
        return False
    auxiliaries = [i for i, role in enumerate(roles) if role in ("aux", "clausal_aux")]
    return all((word in AUXILIARIES) == (i in auxiliaries) for i, word in enumerate(words))


if __name__ == "__main__":
    main()
