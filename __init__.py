"""ipgraph: how information flows through a transformer, over a whole dataset.

The public names below are looked up when first used, so that `import ipgraph` is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipgraph.extractor.evaluation.evaluate import evaluate
    from ipgraph.extractor.extraction.extract import extract
    from ipgraph.extractor.models.loading import load_model
    from ipgraph.graphstore.opening import open_store
    from ipgraph.queries.language.running import ask

    __version__: str

__all__ = ["__version__", "ask", "evaluate", "extract", "load_model", "open_store"]

_HOMES = {
    "ask": "queries.language.running",
    "evaluate": "extractor.evaluation.evaluate",
    "extract": "extractor.extraction.extract",
    "load_model": "extractor.models.loading",
    "open_store": "graphstore.opening",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("ipgraph")
    elif name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
