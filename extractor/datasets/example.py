"""The parts of a dataset: examples, rows that could not be used, and the ids of instances."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from ipgraph.graphstore.schema.records import Instance

Task = Literal["masked-lm", "classifier", "causal-lm", "seq2seq"]
MASK = "[MASK]"
"""The literal that marks the target in a masked-lm text, whatever the tokenizer's own mask token is."""


@dataclass(frozen=True, slots=True)
class Example:
    """An instance with the roles of its whitespace words and the place where it was read."""

    instance: Instance
    roles: tuple[str, ...] = ()  # one per whitespace word of the text; () if it has none
    where: str = ""  # "file:line" or "sva-obj:12"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that could not be used: its place, the reason, and the reason without the row's own values."""

    where: str
    reason: str
    kind: str = field(default="", compare=False)  # "" where the reason has no values


@dataclass(frozen=True, slots=True)
class Reason:
    """One kind of reason, how many rows have it, and the first of them."""

    kind: str
    count: int
    first: Skipped

    @property
    def example(self) -> str:
        """The first row's place, with its reason where that says more than the kind."""
        return self.first.where + (f": {self.first.reason}" if self.first.reason != self.kind else "")

    def __str__(self) -> str:
        return f"{self.count} x {self.kind} ({self.example})"


def reasons(skipped: Iterable[Skipped]) -> list[Reason]:
    """Return the kinds of reasons, the commonest first."""
    groups: dict[str, list[Skipped]] = {}
    for row in skipped:
        groups.setdefault(row.kind or row.reason, []).append(row)
    found = [
        Reason(rows[0].reason if len({row.reason for row in rows}) == 1 else kind, len(rows), rows[0])
        for kind, rows in groups.items()
    ]
    return sorted(found, key=lambda reason: -reason.count)


def in_words(skipped: Iterable[Skipped], limit: int = 3) -> str:
    """Return the commonest reasons as part of a sentence."""
    found = reasons(skipped)
    more = [f"{len(found) - limit} more reasons"] if len(found) > limit else []
    return "; ".join([*map(str, found[:limit]), *more])


@dataclass(slots=True)
class Dataset:
    """The examples of a dataset in order, the rows that were skipped, and what became of its columns."""

    name: str
    examples: list[Example]
    skipped: list[Skipped] = field(default_factory=list)
    read: dict[str, str] = field(default_factory=dict)  # field to the column that it is read from
    unread: dict[str, str] = field(default_factory=dict)  # column that is not read to the reason, or ""

    @property
    def task(self) -> Task:
        """The task of the model, by whether examples have a continuation or a correct word form."""
        if any(e.instance.continuation for e in self.examples):
            return "seq2seq"
        return "masked-lm" if any(e.instance.correct for e in self.examples) else "classifier"

    def serves(self, task: str) -> bool:
        """Tell whether models of a task can read the examples."""
        return task in self.tasks

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of the models that can read the examples."""
        return ("masked-lm", "causal-lm") if self.task == "masked-lm" else (self.task,)


def columns_in_words(read: Mapping[str, str], unread: Mapping[str, str]) -> str:
    """Return what is read from which column, and the columns that are not read; "" without columns."""
    used = (name if column == name else f"{name} from {column!r}" for name, column in read.items())
    others = (f"{column!r}" + (f" ({why})" if why else "") for column, why in unread.items())
    return "; not read: ".join(filter(None, (", ".join(used), ", ".join(others))))


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What `ipgraph dataset list` shows about a built-in dataset or group."""

    name: str
    task: Task
    description: str
    subtasks: tuple[str, ...]
    conditions: tuple[str, ...]
    n: int  # number of examples


def instance_id(
    dataset: str,
    subtask: str,
    condition: str,
    text: str,
    correct: str = "",
    wrong: str = "",
    label: int = -1,
    **further: str,
) -> str:
    """Return `<dataset>:<12 hex digits>`, a digest of the content: equal content has equal ids."""
    given = {name: value for name, value in further.items() if value}
    content = [subtask, condition, text, correct, wrong, label, *([given] if given else [])]
    return f"{dataset}:{hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()[:12]}"


def make_instance(
    dataset: str,
    text: str,
    *,
    second: str = "",
    continuation: str = "",
    correct: str = "",
    wrong: str = "",
    label: int = -1,
    label_name: str = "",
    subtask: str = "",
    condition: str = "",
    name: str = "",
) -> Instance:
    """Return an Instance with its id; `name` is the id of the row in its file, by default the same id."""
    content = (subtask, condition, text, correct, wrong, label)
    identity = instance_id(dataset, *content, second=second, continuation=continuation, label_name=label_name)
    return Instance(
        id=identity,
        dataset=dataset,
        name=name or identity,
        subtask=subtask,
        condition=condition,
        text=text,
        second=second,
        continuation=continuation,
        correct=correct,
        wrong=wrong,
        label=label,
        label_name=label_name,
    )


def instance_with(instance: Instance, **changes: str) -> Instance:
    """Return an instance with changed content and the id of that content; the name of its row is kept."""
    content = asdict(instance) | changes
    is_named = content["name"] != content.pop("id")
    return make_instance(**content | {"name": content["name"] if is_named else ""})
