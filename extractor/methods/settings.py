"""What the settings of an extraction can be, each value with its meaning. Imports no torch."""

LEVELS = {
    "both": "the embedding and the attention level",
    "embedding": "the embedding level",
    "attention": "the attention level",
}
QOIS = {
    "correct-wrong": "the logit of the correct word or class minus that of the wrong one or best other",
    "positive-negative": "the logit of the positive class minus that of the negative one, by their names; of "
    "two classes with other names, class 1 minus class 0",
    "logit:CLASS": "the logit of one class, by its name or number",
    "probability": "the probability of the correct word or class, for methods that score tokens by gradients "
    "or blanking",
}
BASELINES = {
    "mask": "the embedding of the mask token",
    "mean": "the mean embedding of the vocabulary",
    "pad": "the embedding of the padding token",
    "zero": "the zero vector",
    "token:PIECE": "the embedding of a piece of the vocabulary",
}
PIECE = "token:"
"""How the baseline of a piece begins."""

QUADRATURES = {
    "uniform": "evenly spaced with both ends, the published rule with 50 points",
    "gauss-legendre": "those of Gauss-Legendre quadrature",
}

AT = {
    "word": "word embeddings, as the model takes them",
    "input": "h^0, with positions and the norm below the first layer",
}
POSITION_CORRECTIONS = {
    "none": "scores as they are",
    "distance": "attention without identity, divided by the distance to the output plus 2; the output's own "
    "position has no score",
    "position": "multiplied by the position, counted from 1, to the power of the decay",
    "uniform": "divided by the score under attention that is the same to every earlier token",
}


def baseline_in_words(name: str) -> str:
    """Return what a run's baseline is."""
    if name.startswith(PIECE):
        return f"the embedding of the piece {name.removeprefix(PIECE)!r}"
    return BASELINES[name]
