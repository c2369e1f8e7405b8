"""The built-in datasets and groups, and `load`, which takes a name or a file."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ipgraph.extractor.datasets.example import Dataset, DatasetInfo, Example, Task
from ipgraph.extractor.datasets.grammars import agreement
from ipgraph.extractor.datasets.grammars.grammar import SENTENCES, Grammar, generate
from ipgraph.extractor.datasets.grammars.sentiment import SENTIMENT
from ipgraph.graphstore.common.errors import UsageError, unknown

if TYPE_CHECKING:
    from ipgraph.extractor.datasets.files import Given
    from ipgraph.extractor.datasets.layouts.objects import Records

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
"""Groups by name: description and subtasks. The examples of a group are those of its subtasks."""


def names() -> list[str]:
    """Return the names that `load` knows, subtasks first."""
    return [*GRAMMARS, *GROUPS]


def infos() -> list[DatasetInfo]:
    """Return a description of each built-in dataset and group, in the order of `names`."""
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
    source: "str | Path | Records",
    *,
    limit: int | None = None,
    seed: int = 0,
    strict: bool = False,
    task: Task | None = None,
    name: str = "",
    roles: str | Sequence[str] = "",
    columns: "Given" = None,
) -> Dataset:
    """Return a built-in dataset or group by name, or the rows of a file, the hub or an object.

    `source` is a name, a path (a file, or a folder that `datasets` saved), `hub:OWNER/NAME[/CONFIG][@SPLIT]`,
    a list of dicts, a data frame, an Arrow table or a `datasets.Dataset`.
    `limit` keeps at most that many examples, evenly over subtasks and conditions; `seed` decides which ones
    and, for a built-in dataset, which sentences are drawn. For other sources, `strict` stops at the first row
    that cannot be used, `task` says how to read rows that have only a text, `name` is the dataset's, `roles`
    are those of the words of rows without any, and `columns` maps fields such as "text" to columns.
    Raises UsageError for an unknown name, a limit below 1, a source that cannot be read or has no usable row,
    or a task that the dataset does not have.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"the limit is {limit}; it must be at least 1")
    if isinstance(source, str) and (source in GRAMMARS or source in GROUPS):
        if name or roles or columns:
            raise UsageError(f"{source} is a built-in dataset; its name, roles and columns are fixed")
        subtasks = [GRAMMARS[subtask] for subtask in _subtasks(source)]
        dataset = Dataset(source, [example for grammar in subtasks for example in generate(grammar, seed)])
    else:
        _require_path(source)
        from ipgraph.extractor.datasets.files import read_dataset

        dataset = read_dataset(source, strict=strict, task=task, name=name, roles=roles, columns=columns)
    if task is not None and not dataset.serves(task):
        needs = ", whose rows have a text and a continuation" if task == "seq2seq" else ""
        tasks = " or ".join(dataset.tasks)
        raise UsageError(f"dataset {dataset.name!r} needs a {tasks} model; this is a {task} model{needs}")
    if limit is not None:
        dataset.examples = subset(dataset.examples, limit, seed)
    return dataset


def _require_path(source: "str | Path | Records") -> None:
    """Raise UsageError for a text that can only be the name of a built-in dataset, and is none."""
    if isinstance(source, str) and not source.startswith("hub:"):
        path = Path(source)
        if not (path.suffix or path.exists() or path.name != source):
            raise unknown("dataset", source, names())


def subset(examples: Sequence[Example], limit: int, seed: int = 0) -> list[Example]:
    """Return at most `limit` examples, evenly over subtasks and their conditions, in their order.

    If a condition is too small for its share, the others get the rest. The choice follows a hash of the seed
    and the instance's id, so that a smaller limit keeps a subset of what a larger one keeps.
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
