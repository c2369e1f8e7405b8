"""Model in, influence patterns out: `extract` and what it is made of.

Names are looked up when first used, so that `ipgraph.extractor.datasets` can be imported without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipgraph.extractor.evaluation.evaluate import evaluate
    from ipgraph.extractor.extraction import extract
    from ipgraph.extractor.influence import influence_of
    from ipgraph.extractor.models import LoadedModel, load_model

__all__ = ["LoadedModel", "evaluate", "extract", "influence_of", "load_model"]

_HOMES = {
    "LoadedModel": "models",
    "evaluate": "evaluation.evaluate",
    "extract": "extraction",
    "influence_of": "influence",
    "load_model": "models",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
