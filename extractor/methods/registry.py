"""From a method's name to its code, imported when it is asked for."""

from importlib import import_module
from typing import Any

from ipgraph.extractor.methods.catalogue import method_named
from ipgraph.extractor.methods.patterns.paths import PathMethod
from ipgraph.graphstore.common.errors import UsageError


def path_method(name: str) -> PathMethod:
    """Return how a method of the family "paths" finds them; raises UsageError for any other name."""
    if (family := method_named(name).family) != "paths":
        raise UsageError(f"method {name!r} gives {family}, not paths")
    method: PathMethod = _implementation(name)
    return method


def _implementation(name: str) -> Any:
    module, _, attribute = method_named(name).implementation.partition(":")
    return getattr(import_module(f"ipgraph.extractor.methods.{module}"), attribute)
