"""What can be asked of a model: methods, baselines and quantities of interest, with the reason where not."""

from collections.abc import Callable
from dataclasses import dataclass

from ipgraph.extractor.extraction import baselines
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.methods.settings import BASELINES, PIECE, QOIS
from ipgraph.extractor.models.loading import LoadedModel, Model, require_adapter
from ipgraph.extractor.models.qoi import resolve
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.qoi import ONE_LOGIT


@dataclass(frozen=True)
class Choice:
    """A value of an option, and why a model does not support it ("" where it does)."""

    option: str
    value: str
    why_not: str = ""


def choices(model: Model) -> list[Choice]:
    """Return all values of the options whose support depends on the model; baselines need an adapter."""
    names = BASELINES if isinstance(model, LoadedModel) else ()
    return [
        *(Choice("method", name, _refusal(_require_method, model, name)) for name in METHODS),
        *(Choice("baseline", name, _refusal(_require_baseline, model, name)) for name in names),
        *(Choice("qoi", name, _refusal(_require_qoi, model, name)) for name in QOIS),
    ]


def _refusal(require: Callable[[Model, str], None], model: Model, name: str) -> str:
    try:
        require(model, name)
    except UsageError as error:
        return str(error)
    return ""


def _require_method(model: Model, name: str) -> None:
    if METHODS[name].needs:
        require_adapter(model)


def _require_baseline(model: Model, name: str) -> None:
    if not name.startswith(PIECE):
        baselines.resolve(require_adapter(model), name)


def _require_qoi(model: Model, name: str) -> None:
    if not (name.startswith(ONE_LOGIT) and model.classes):
        resolve(model, name)
