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
}
BASELINES = {
    "mask": "the embedding of the mask token",
    "pad": "the embedding of the padding token",
    "zero": "the zero vector",
}
QUADRATURES = {
    "uniform": "evenly spaced with both ends, the published rule with 50 points",
    "gauss-legendre": "those of Gauss-Legendre quadrature",
}
