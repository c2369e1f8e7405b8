"""What can be asked of a model: methods, baselines and quantities of interest, with the reason where not."""

from collections.abc import Callable
from dataclasses import dataclass

from ipgraph.extractor.extraction import baselines
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.methods.registry import refusal
from ipgraph.extractor.methods.settings import BASELINES, PIECE, QOIS
from ipgraph.extractor.models.loading import Model
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
    """Return all values of the options whose support depends on the model."""
    return [
        *(Choice("method", name, refusal(model, name)) for name in METHODS),
        *(Choice("baseline", name, _refusal(_require_baseline, model, name)) for name in BASELINES),
        *(Choice("qoi", name, _refusal(_require_qoi, model, name)) for name in QOIS),
    ]


def _refusal(require: Callable[[Model, str], None], model: Model, name: str) -> str:
    try:
        require(model, name)
    except UsageError as error:
        return str(error)
    return ""


def _require_baseline(model: Model, name: str) -> None:
    if not name.startswith(PIECE):
        baselines.resolve(model, name)


def _require_qoi(model: Model, name: str) -> None:
    if not (name.startswith(ONE_LOGIT) and model.classes):
        resolve(model, name)
