"""The architectures that we know, one entry per class of transformers, from the files of `architectures`."""

from collections.abc import Callable, Iterable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from ipgraph.extractor.models import architectures
from ipgraph.extractor.models.adapter import Architecture
from ipgraph.graphstore.common.errors import UsageError


def known() -> dict[str, Architecture]:
    """Return the `ARCHITECTURES` of every file, by class name in transformers."""
    names = (f"{architectures.__name__}.{module.name}" for module in iter_modules(architectures.__path__))
    return {name: entry for file in map(import_module, names) for name, entry in file.ARCHITECTURES.items()}


ARCHITECTURES = known()
"""The architectures we know, by class name in transformers."""


def choose(
    model: str, config: Any, task: str | None, weight_names: Callable[[], Iterable[str]]
) -> tuple[str, Architecture]:
    """Return a model's architecture and the class to load it as.

    It is the one that the config names, unless `task` asks for another of its family. Where the config names
    none, it is that of the task, or of the only head that is among the weights. Raises UsageError where that
    leaves none or several.
    """
    named = first_class(config)
    if named in ARCHITECTURES and task in (None, ARCHITECTURES[named].task):
        return ARCHITECTURES[named].loads or named, ARCHITECTURES[named]
    family = {
        name: entry
        for name, entry in ARCHITECTURES.items()
        if entry.model_type == getattr(config, "model_type", None) and not entry.loads
    }
    if not family or (named and task is None):
        raise refusal(f"model {model!r}", named, config)
    if task is None:
        present = tuple(weight_names())
        fitting = {n: e for n, e in family.items() if any(w.startswith(e.head) for w in present)}
    else:
        fitting = {n: e for n, e in family.items() if e.task == task}
        if not fitting:
            tasks = ", ".join(sorted({entry.task for entry in family.values()}))
            raise UsageError(f"model {model!r} cannot be used for the task {task}; its family serves {tasks}")
    if len(fitting) != 1:
        raise _undecided(model, family, len(fitting))
    return next(iter(fitting.items()))


def refusal(model: str, kind: str, config: Any) -> UsageError:
    """Return the error for a model of a class that has no adapter, with those that have one."""
    family = str(getattr(config, "model_type", "") or "")
    if getattr(config, "is_encoder_decoder", False):
        return UsageError(
            f"{model} is an encoder-decoder ({family}), for which paths and gradients are not defined: "
            "what a node of its cross-attention means is not settled"
        )
    siblings = [name for name, entry in ARCHITECTURES.items() if entry.model_type == family]
    if siblings:
        return UsageError(
            f"{model} has the architecture {kind}; of the family {family!r} these can be used: "
            f"{', '.join(siblings)}"
        )
    stated = f"is of the family {family!r}, which is not known" if family else "names no family (model_type)"
    return UsageError(f"{model} {stated}; known families: {', '.join(families())}")


def families() -> list[str]:
    """Return the families of models that have an adapter, as configs name them."""
    return sorted({entry.model_type for entry in ARCHITECTURES.values()})


def is_known(config: Any) -> bool:
    """Tell whether a model is of a family that has an adapter."""
    return first_class(config) in ARCHITECTURES or getattr(config, "model_type", "") in families()


def first_class(config: Any) -> str:
    """Return the first class that a config names, "" where it names none."""
    names = getattr(config, "architectures", None) or ""
    return names if isinstance(names, str) else str(names[0])


def _undecided(model: str, family: dict[str, Architecture], fitting: int) -> UsageError:
    heads = ", ".join(f"{entry.head}* ({entry.task})" for entry in family.values())
    how = "the weights of several heads" if fitting else "the weights of no known head"
    remedy = "name the task" if fitting else "name the task, or a model that was trained for one"
    return UsageError(
        f"the config of model {model!r} names no architecture, and its file has {how} ({heads}); {remedy}"
    )
