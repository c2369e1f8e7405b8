"""The class of a model of any family, and what it is trained to do, by transformers' own lists."""

from typing import Any

from ipgraph.extractor.datasets import Task
from ipgraph.extractor.models.registry import first_class
from ipgraph.graphstore.common.errors import UsageError

_LISTS: dict[Task, str] = {
    "seq2seq": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",  # some of these are masked models as well
    "masked-lm": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "causal-lm": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "classifier": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
}


def task_of(kind: str) -> Task | None:
    """Return the task of a class of transformers, None for one that is not of any of ours."""
    return next((task for task in _LISTS if kind in _classes(task).values()), None)


def choose_class(model: str, config: Any, task: str | None) -> tuple[str, Task]:
    """Return the class that a config names, unless `task` asks for another of its family, and its task.

    Raises UsageError where that is not a class that gives logits of words or classes.
    """
    kind, family = first_class(config), getattr(config, "model_type", "")
    if not _has_config(family):
        raise UsageError(f"model {model!r} is of the family {family!r}, which transformers does not have")
    named = task_of(kind)
    if named is not None and task in (None, named):
        return kind, _required(model, config, named)
    served = {known: _classes(known)[family] for known in _LISTS if family in _classes(known)}
    for known, sibling in served.items():
        if known == task:
            return sibling, _required(model, config, known)
    what = f"is of the class {kind}" if kind else "names no class (architectures)"
    tasks = ", ".join(served) or "none"
    raise UsageError(
        f"model {model!r} {what}, and a language model or a classifier of texts is needed; the tasks that "
        f"its family {family!r} serves: {tasks}"
    )


def _required(model: str, config: Any, task: Task) -> Task:
    if getattr(config, "is_encoder_decoder", False) and task != "seq2seq":
        raise UsageError(f"model {model!r} is an encoder-decoder, which is used for the task seq2seq only")
    return task


def _has_config(family: str) -> bool:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return family in CONFIG_MAPPING


def _classes(task: Task) -> dict[str, str]:
    """Return transformers' class for a task, by family."""
    from transformers.models.auto import modeling_auto

    classes: dict[str, str] = getattr(modeling_auto, _LISTS[task])
    return classes
