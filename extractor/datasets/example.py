"""What a dataset is made of: examples, the rows that could not be used, and the id of an instance."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from ipgraph.graphstore.schema.records import Instance

Task = Literal["masked-lm", "classifier"]
MASK = "[MASK]"
"""The literal that marks the target in a masked-lm text, whatever the tokenizer's own mask token is."""


@dataclass(frozen=True, slots=True)
class Example:
    """An instance with the roles of its whitespace words and the place it came from."""

    instance: Instance
    roles: tuple[str, ...] = ()  # one per whitespace word of the text; () if unlabelled
    where: str = ""  # "file:line" or "sva-obj:12"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that could not be used, where it stands and why."""

    where: str
    reason: str


@dataclass(slots=True)
class Dataset:
    """The examples of one dataset in order, and what was skipped on the way."""

    name: str
    examples: list[Example]
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def task(self) -> Task:
        """What a model is asked: masked-lm where the examples carry a correct word form, else classifier."""
        return "masked-lm" if any(e.instance.correct for e in self.examples) else "classifier"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What `dataset list` shows of a built-in dataset or group."""

    name: str
    task: Task
    description: str
    subtasks: tuple[str, ...]
    conditions: tuple[str, ...]
    n: int  # examples without --limit


def instance_id(
    dataset: str, subtask: str, condition: str, text: str, correct: str = "", wrong: str = "", label: int = -1
) -> str:
    """Return `<dataset>:<12 hex>`, the hex from a digest of everything else: equal content, equal id."""
    content = json.dumps([subtask, condition, text, correct, wrong, label], ensure_ascii=True)
    return f"{dataset}:{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def make_instance(
    dataset: str,
    text: str,
    *,
    correct: str = "",
    wrong: str = "",
    label: int = -1,
    subtask: str = "",
    condition: str = "",
    name: str = "",
) -> Instance:
    """Return an Instance with its id; `name` is the row's own id in its file, by default the id again."""
    identity = instance_id(dataset, subtask, condition, text, correct, wrong, label)
    return Instance(identity, dataset, name or identity, subtask, condition, text, correct, wrong, label)


def instance_with(instance: Instance, **changes: str) -> Instance:
    """Return an instance of other content, with the id of that; a name of its own is kept."""
    content = asdict(instance) | changes
    named = content["name"] != content.pop("id")
    return make_instance(**content | {"name": content["name"] if named else ""})
