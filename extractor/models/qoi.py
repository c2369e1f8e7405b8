"""Which of a classifier's logits a quantity of interest reads."""

from ipgraph.extractor.models.classes import class_number
from ipgraph.extractor.models.heads import AT_INPUT, NO_LOGIT
from ipgraph.extractor.models.loading import Model
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.qoi import ONE_LOGIT, POSITIVE_NEGATIVE, PROBABILITY, poles


def resolve(model: Model, qoi: str) -> str:
    """Return a QoI as it is called for a model: a class by its own name, by number where names repeat.

    Raises UsageError where it is not defined for the model.
    """
    if qoi.startswith(ONE_LOGIT):
        if not model.classes:
            raise UsageError(f"the QoI {qoi!r} needs a classifier, and model {model.name!r} is not one")
        number = _class(model, qoi)
        name = model.classes[number]
        return f"{ONE_LOGIT}{name if model.classes.count(name) == 1 else number}"
    if model.outputs != "exclusive":
        raise UsageError(
            f"the QoI {qoi!r} compares classes that exclude each other, and the outputs of model "
            f"{model.name!r} do not ({', '.join(model.classes)}); name one with the QoI "
            f"'{ONE_LOGIT}CLASS', such as '{ONE_LOGIT}{model.classes[0]}'"
        )
    if qoi == POSITIVE_NEGATIVE and poles(model.classes) is None:
        raise UsageError(
            f"the QoI {qoi!r} needs a classifier of two classes, or with one class called positive and one "
            f"negative, and model {model.name!r} is not one"
        )
    return qoi


def logits_of(model: Model, qoi: str, label: int) -> tuple[int, int]:
    """Return the two logits whose difference is a classifier's QoI at a label (-1: none is given).

    Of a probability, the logit that it is of.
    """
    if qoi.startswith(ONE_LOGIT):
        return _class(model, qoi), NO_LOGIT
    if qoi == POSITIVE_NEGATIVE and (pair := poles(model.classes)):
        return pair
    first = AT_INPUT if label < 0 else label
    return first, NO_LOGIT if qoi == PROBABILITY else AT_INPUT


def _class(model: Model, qoi: str) -> int:
    where = f"of model {model.name!r}"
    return class_number(model.classes, qoi.removeprefix(ONE_LOGIT), "class", where)
