"""From a method's name to its code, imported when it is asked for, and the models that it is defined for."""

from importlib import import_module
from typing import Any

from ipgraph.extractor.methods.attributions import AttributionMethod
from ipgraph.extractor.methods.catalogue import METHODS, method_named
from ipgraph.extractor.methods.patterns.paths import PathMethod
from ipgraph.extractor.models.loading import Model, require_adapter
from ipgraph.graphstore.common.errors import UsageError


def path_method(name: str) -> PathMethod:
    """Return how a method of the family "paths" finds them; raises UsageError for any other name."""
    if (family := method_named(name).family) != "paths":
        raise UsageError(f"method {name!r} gives {family}, not paths")
    method: PathMethod = _implementation(name)
    return method


def attribution_method(name: str) -> AttributionMethod:
    """Return how a method scores tokens; raises UsageError for one that gives paths."""
    if method_named(name).family == "paths":
        raise UsageError(f"method {name!r} gives paths, not scores of tokens")
    method: AttributionMethod = _implementation(name)
    return method


def require_defined(model: Model, name: str) -> None:
    """Raise UsageError, with the methods that are defined, where one is not for a model."""
    if reason := refusal(model, name):
        defined = ", ".join(other for other in METHODS if not refusal(model, other))
        raise UsageError(f"{reason}. Defined for model {model.name!r}: {defined}")


def refusal(model: Model, name: str) -> str:
    """Return why a method is not defined for a model, "" where it is."""
    is_paths = METHODS[name].family == "paths"
    require = None if is_paths else attribution_method(name).require
    try:
        if METHODS[name].needs == "adapter":
            require_adapter(model)
        if require is not None:
            require(model, name)
    except UsageError as error:
        return str(error)
    return ""


def _implementation(name: str) -> Any:
    module, _, attribute = method_named(name).implementation.partition(":")
    return getattr(import_module(f"ipgraph.extractor.methods.{module}"), attribute)
