"""The built-in datasets and groups, and `load`, which takes one of their names or a file."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ipgraph.extractor.datasets.example import Dataset, DatasetInfo, Example, Task
from ipgraph.extractor.datasets.grammars import agreement
from ipgraph.extractor.datasets.grammars.grammar import SENTENCES, Grammar, generate
from ipgraph.extractor.datasets.grammars.sentiment import SENTIMENT
from ipgraph.graphstore.common.errors import UsageError, unknown

GRAMMARS: dict[str, Grammar] = {
    grammar.name: grammar
    for grammar in (
        agreement.SVA_OBJ,
        agreement.SVA_SUBJ,
        agreement.SVA_WSC,
        agreement.SVA_APP,
        agreement.RA_NA,
        agreement.RA_GA,
        SENTIMENT,
    )
}
_SVA, _RA = ("sva-obj", "sva-subj", "sva-wsc", "sva-app"), ("ra-na", "ra-ga")
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sva": ("the four subject-verb agreement subtasks", _SVA),
    "ra": ("the two reflexive agreement subtasks", _RA),
    "all": ("the six agreement subtasks", _SVA + _RA),
}
"""Groups by name: description and subtasks. An example of a group is that of its subtask."""


def names() -> list[str]:
    """Return the names that `load` knows, subtasks first."""
    return [*GRAMMARS, *GROUPS]


def infos() -> list[DatasetInfo]:
    """Return what there is to say of each built-in dataset and group, in the order of `names`."""
    return [_info(name) for name in names()]


def _info(name: str) -> DatasetInfo:
    members = [GRAMMARS[subtask] for subtask in _subtasks(name)]
    description = GROUPS[name][0] if name in GROUPS else members[0].description
    conditions = dict.fromkeys(c.name for grammar in members for c in grammar.conditions)
    return DatasetInfo(
        name, members[0].task, description, _subtasks(name), tuple(conditions), SENTENCES * len(members)
    )


def _subtasks(name: str) -> tuple[str, ...]:
    return GROUPS[name][1] if name in GROUPS else (name,)


def load(
    name_or_file: str | Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    strict: bool = False,
    task: Task | None = None,
) -> Dataset:
    """Return a built-in dataset or group by name, or the rows of a file by path.

    `limit` keeps that many examples, evenly over subtasks and conditions; `seed` decides which (and, of a
    built-in dataset, which sentences are drawn). `strict` and `task` concern files: stop at the first
    unusable row; read the rows as this task's. Raises UsageError for an unknown name, a limit below 1, a file
    that cannot be read or has no usable row, or a task that the dataset does not have.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} examples leaves nothing to do; give 1 or more")
    dataset = _all_of(name_or_file, seed, strict, task)
    if task not in (None, dataset.task):
        raise UsageError(f"dataset {dataset.name!r} is made for a {dataset.task} model, not for a {task} one")
    if limit is not None:
        dataset.examples = subset(dataset.examples, limit, seed)
    return dataset


def _all_of(name_or_file: str | Path, seed: int, strict: bool, task: Task | None) -> Dataset:
    name = str(name_or_file)
    if name in GRAMMARS or name in GROUPS:
        return Dataset(name, [example for s in _subtasks(name) for example in generate(GRAMMARS[s], seed)])
    path = Path(name_or_file)
    if not (path.suffix or path.exists() or path.name != name):
        raise unknown("dataset", name, names())
    from ipgraph.extractor.datasets.files import read_file

    return read_file(path, strict=strict, task=task)


def subset(examples: Sequence[Example], limit: int, seed: int = 0) -> list[Example]:
    """Return at most `limit` examples, evenly over subtasks and their conditions, in their order.

    A condition too small for its share leaves the rest to the others. The choice follows a hash of seed and
    instance id, so that a smaller limit keeps part of what a larger one keeps.
    """
    subtasks: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, example in enumerate(examples):
        subtasks[example.instance.subtask][example.instance.condition].append(index)
    turns = [
        (turn, condition, index)
        for conditions in subtasks.values()
        for condition, indices in enumerate(conditions.values())
        for turn, index in enumerate(
            sorted(indices, key=lambda i: _shuffle_key(seed, examples[i].instance.id))
        )
    ]
    return [examples[index] for index in sorted(index for _, _, index in sorted(turns)[:limit])]


def _shuffle_key(seed: int, identity: str) -> bytes:
    return hashlib.sha256(f"{seed} {identity}".encode()).digest()
