"""The architectures that we know, one entry per class of transformers, from the files of `architectures`."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

from ipgraph.extractor.datasets import Task
from ipgraph.extractor.models import architectures
from ipgraph.extractor.models.adapter import Adapter


class Architecture(NamedTuple):
    """What a class of transformers is trained to do, and the function that makes its adapter."""

    task: Task
    adapter: Callable[[Any], Adapter]


def known() -> dict[str, Architecture]:
    """Return the `ARCHITECTURES` of every file, by class name in transformers."""
    names = (f"{architectures.__name__}.{module.name}" for module in iter_modules(architectures.__path__))
    return {name: entry for file in map(import_module, names) for name, entry in file.ARCHITECTURES.items()}
