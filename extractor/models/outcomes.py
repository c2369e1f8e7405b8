"""What a model says about sentences at the input itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What a model says about one sentence."""

    qoi: float
    qoi_logits: tuple[int, int]  # which logits the QoI reads
    label: int  # the class that is right, the predicted one where none is given; -1 of a language model
    is_correct: bool  # the label is what the model prefers; with a predicted label always so
