"""Every method by name: what it gives, at which levels, what it asks of a model, and whom to cite.

Imports nothing heavy. A new method is one entry here and the code that its `implementation` names, which
`registry` imports when it is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ipgraph.extractor.methods.citations import (
    ABNAR_2020,
    DENIL_2014,
    DHAMDHERE_2019,
    ETHAYARAJH_2021,
    FERRANDO_2022,
    KOBAYASHI_2021,
    LEINO_2018,
    LI_2016,
    LU_2021,
    MODARRESSI_2022,
    PASCUAL_2021,
    SIMONYAN_2014,
    SUNDARARAJAN_2017,
    Citation,
)
from ipgraph.graphstore.common.errors import unknown
from ipgraph.graphstore.schema.records import LEVELS, Level

Family: TypeAlias = Literal["paths", "token attributions", "layer matrices"]
Need: TypeAlias = Literal["adapter", "blocks", "attentions", "logits"]
"""What a model must have: a known family, or for "blocks" one of the encoder-decoders whose attention blocks
are known (T5, BART); attentions that it returns; nothing but logits."""

_PATH: frozenset[str] = frozenset({"baseline", "n_steps", "quadrature", "tolerance", "move_first"})
PATH_OPTIONS = _PATH | {"level"}
_CORRECTED = frozenset({"position_correction", "position_decay"})
_AT = frozenset({"at"})
OPTIONS = PATH_OPTIONS | _CORRECTED | _AT
"""Options that only some methods take."""


@dataclass(frozen=True)
class Method:
    """What is known of a method without running it."""

    name: str
    title: str  # as a report or a methods section calls it
    family: Family
    levels: tuple[Level, ...]  # at which its paths are its own; () where it gives no paths
    needs: Need
    takes: frozenset[str]  # which of OPTIONS
    citation: Citation
    summary: str  # one line of help
    implementation: str  # `module:name` below `methods`; "" where it is only compared with
    comparison: Literal["", "default", "named"] = ""  # whether `evaluate` compares gpr with it, and when
    has_entropy: bool = False  # whether `evaluate` measures how much its paths vary (Figure 5)
    takes_probability: bool = False  # whether the QoI that it scores may be a probability


_EMBEDDING: tuple[Level, ...] = ("embedding",)


def _scores(
    name: str,
    title: str,
    summary: str,
    citation: Citation,
    implementation: str,
    *,
    family: Family = "token attributions",
    needs: Need = "adapter",
    takes: frozenset[str] = frozenset(),
    takes_probability: bool = False,
) -> Method:
    """Return a method that scores tokens, and with the family "layer matrices" has them from these."""
    return Method(
        name,
        title,
        family,
        (),
        needs,
        takes,
        citation,
        summary,
        implementation,
        takes_probability=takes_probability,
    )


CATALOGUE = (
    Method(
        name="gpr",
        title="guided pattern refinement",
        family="paths",
        levels=LEVELS,
        needs="adapter",
        takes=PATH_OPTIONS,
        citation=LU_2021,
        summary="guided pattern refinement: each word's path of most influence, layer by layer",
        implementation="patterns.search:GUIDED",
    ),
    Method(
        name="attention",
        title="attention",
        family="paths",
        levels=_EMBEDDING,
        needs="adapter",
        takes=PATH_OPTIONS,
        citation=ABNAR_2020,
        summary="the path of most attention, head mean plus residual",
        implementation="patterns.products:ATTENTION",
        comparison="default",
        has_entropy=True,
    ),
    Method(
        name="attention_max",
        title="attention (head max)",
        family="paths",
        levels=_EMBEDDING,
        needs="adapter",
        takes=PATH_OPTIONS,
        citation=ABNAR_2020,
        summary="the path of most attention, largest head plus residual",
        implementation="patterns.products:ATTENTION_MAX",
        comparison="named",
        has_entropy=True,
    ),
    Method(
        name="alti_paths",
        title="ALTI",
        family="paths",
        levels=_EMBEDDING,
        needs="adapter",
        takes=PATH_OPTIONS,
        citation=FERRANDO_2022,
        summary="the path of the largest product of ALTI's contributions, layer by layer",
        implementation="patterns.products:ALTI",
        comparison="named",
        has_entropy=True,
    ),
    Method(
        name="conductance",
        title="conductance",
        family="paths",
        levels=_EMBEDDING,
        needs="adapter",
        takes=PATH_OPTIONS,
        citation=DHAMDHERE_2019,
        summary="each layer's position of most conductance",
        implementation="patterns.scored:CONDUCTANCE",
        comparison="default",
    ),
    Method(
        name="internal_influence",
        title="internal influence",
        family="paths",
        levels=_EMBEDDING,
        needs="adapter",
        takes=PATH_OPTIONS,
        citation=LEINO_2018,
        summary="each layer's position of the largest gradient, summed over units",
        implementation="patterns.scored:INTERNAL_INFLUENCE",
        comparison="default",
    ),
    Method(
        name="internal_influence_l2",
        title="internal influence (L2)",
        family="paths",
        levels=_EMBEDDING,
        needs="adapter",
        takes=PATH_OPTIONS,
        citation=LEINO_2018,
        summary="each layer's position of the largest gradient, by its norm",
        implementation="patterns.scored:INTERNAL_INFLUENCE_L2",
        comparison="named",
    ),
    Method(
        name="random",
        title="random",
        family="paths",
        levels=LEVELS,
        needs="adapter",
        takes=PATH_OPTIONS,
        citation=LU_2021,
        summary="positions, heads and skips drawn at random",
        implementation="patterns.chance:RANDOM",
        comparison="default",
    ),
    Method(
        name="skip_replaced",
        title="skips replaced",
        family="paths",
        levels=("attention",),
        needs="adapter",
        takes=PATH_OPTIONS,
        citation=LU_2021,
        summary="gpr with every head of its position in the place of each skip: a pattern, not a path",
        implementation="",
        comparison="default",
    ),
    _scores(
        "rollout",
        "attention rollout",
        "the product of half attention, half identity over layers",
        ABNAR_2020,
        "attention_flow.method:ATTENTION",
        family="layer matrices",
        needs="attentions",
        takes=_CORRECTED,
    ),
    _scores(
        "flow",
        "attention flow",
        "each token's maximum flow to the output through the same layers",
        ABNAR_2020,
        "attention_flow.method:ATTENTION",
        family="layer matrices",
        needs="attentions",
        takes=_CORRECTED,
    ),
    _scores(
        "flow_shapley",
        "Shapley values of attention flow",
        "each token's Shapley value where a set of tokens earns its maximum flow; up to 12 tokens",
        ETHAYARAJH_2021,
        "attention_flow.method:SHAPLEY",
        needs="attentions",
    ),
    _scores(
        "raw_attention",
        "raw attention",
        "the last layer's attention, head mean",
        ABNAR_2020,
        "attention_flow.raw:RAW_ATTENTION",
        needs="attentions",
    ),
    _scores(
        "alti",
        "ALTI",
        "how near each token's vector comes to a block's output (L1), over layers",
        FERRANDO_2022,
        "decomposition.method:DECOMPOSITION",
        family="layer matrices",
        needs="blocks",
    ),
    _scores(
        "alti_l2",
        "ALTI (L2)",
        "ALTI with the Euclidean norm",
        FERRANDO_2022,
        "decomposition.method:DECOMPOSITION",
        family="layer matrices",
        needs="blocks",
    ),
    _scores(
        "norm",
        "vector norms",
        "the norm of each token's vector in a block's output, over layers",
        KOBAYASHI_2021,
        "decomposition.method:DECOMPOSITION",
        family="layer matrices",
        needs="blocks",
    ),
    _scores(
        "globenc",
        "GlobEnc",
        "norms with the norm at each layer's end, rows not divided; BERT's relatives only",
        MODARRESSI_2022,
        "decomposition.method:DECOMPOSITION",
        family="layer matrices",
    ),
    _scores(
        "hta",
        "hidden token attribution",
        "the share of each token in every hidden state and head, by Jacobians",
        PASCUAL_2021,
        "hidden_tokens.method:HIDDEN_TOKENS",
        family="layer matrices",
    ),
    _scores(
        "saliency",
        "saliency (L2)",
        "the norm of the gradient",
        SIMONYAN_2014,
        "gradients.method:GRADIENTS",
        takes=_AT,
        takes_probability=True,
    ),
    _scores(
        "gradient_x_input",
        "gradient x input",
        "the gradient times the embedding",
        DENIL_2014,
        "gradients.method:GRADIENTS",
        takes=_AT,
        takes_probability=True,
    ),
    _scores(
        "integrated_gradients",
        "integrated gradients",
        "the mean gradient from the baseline on, times the difference from it",
        SUNDARARAJAN_2017,
        "gradients.method:GRADIENTS",
        takes=_AT | _PATH,
        takes_probability=True,
    ),
    _scores(
        "integrated_gradients_l2",
        "integrated gradients (L2)",
        "the norm of integrated gradients over units",
        SUNDARARAJAN_2017,
        "gradients.method:GRADIENTS",
        takes=_AT | _PATH,
        takes_probability=True,
    ),
    _scores(
        "integrated_gradients_mean",
        "integrated gradients (mean)",
        "the mean of the absolute integrated gradients of units",
        SUNDARARAJAN_2017,
        "gradients.method:GRADIENTS",
        takes=_AT | _PATH,
        takes_probability=True,
    ),
    _scores(
        "blank_out",
        "blank-out",
        "how the quantity of interest falls where a token is replaced by the baseline",
        LI_2016,
        "perturbation.blank_out:BLANK_OUT",
        needs="logits",
        takes=frozenset({"baseline", "move_first"}),
        takes_probability=True,
    ),
)

METHODS = {method.name: method for method in CATALOGUE if method.implementation}
"""The methods that a run can be made with, by name."""
COMPARABLE = {method.name: method for method in CATALOGUE if method.comparison}
"""What `evaluate` can compare guided patterns with, by name."""
COMPARED = tuple(method.name for method in CATALOGUE if method.comparison == "default")
"""What it compares them with unless others are named."""


def method_named(name: str, among: Mapping[str, Method] = METHODS) -> Method:
    """Return a method by name, unless told otherwise one that a run can be made with.

    Raises UsageError for an unknown name.
    """
    if name not in among:
        raise unknown("method", name, among)
    return among[name]
