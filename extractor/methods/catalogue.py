"""Every method by name: what it gives, at which levels, what it asks of a model, and whom to cite.

Imports nothing heavy. A new method is one entry here and the code that its `implementation` names, which
`registry` imports when it is asked for.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ipgraph.graphstore.common.errors import unknown
from ipgraph.graphstore.schema.records import LEVELS, Level

Family: TypeAlias = Literal["paths", "token attributions", "layer matrices"]
Need: TypeAlias = Literal["gradients", "attentions"]


@dataclass(frozen=True)
class Citation:
    """Whom to cite: a BibTeX key, its entry, and the short form of running text."""

    key: str
    entry: str
    short: str


@dataclass(frozen=True)
class Method:
    """What is known of a method without running it."""

    name: str
    title: str  # as a report or a methods section calls it
    family: Family
    levels: tuple[Level, ...]  # at which its paths are its own; () where it gives no paths
    needs: frozenset[Need]  # what it takes from a model beside its embeddings and logits
    citation: Citation
    summary: str  # one line of help
    implementation: str  # `module:name` below `methods`; "" where it is only compared with
    comparison: Literal["", "default", "named"] = ""  # whether `evaluate` compares gpr with it, and when
    has_entropy: bool = False  # whether `evaluate` measures how much its paths vary (Figure 5)


LU_2021 = Citation(
    "lu2021influence",
    """\
@inproceedings{lu2021influence,
  title     = {Influence Patterns for Explaining Information Flow in {BERT}},
  author    = {Lu, Kaiji and Wang, Zifan and Mardziel, Piotr and Datta, Anupam},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {34},
  year      = {2021},
  note      = {arXiv:2011.00740}
}
""",
    "Lu et al. 2021",
)
ABNAR_2020 = Citation(
    "abnar2020quantifying",
    """\
@inproceedings{abnar2020quantifying,
  title     = {Quantifying Attention Flow in Transformers},
  author    = {Abnar, Samira and Zuidema, Willem},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  pages     = {4190--4197},
  year      = {2020}
}
""",
    "Abnar and Zuidema 2020",
)
FERRANDO_2022 = Citation(
    "ferrando2022measuring",
    """\
@inproceedings{ferrando2022measuring,
  title     = {Measuring the Mixing of Contextual Information in the Transformer},
  author    = {Ferrando, Javier and G{\\'a}llego, Gerard I. and Costa-juss{\\`a}, Marta R.},
  booktitle = {Proceedings of the 2022 Conference on Empirical Methods in Natural Language Processing},
  pages     = {8698--8714},
  year      = {2022}
}
""",
    "Ferrando et al. 2022",
)
DHAMDHERE_2019 = Citation(
    "dhamdhere2019important",
    """\
@inproceedings{dhamdhere2019important,
  title     = {How Important is a Neuron?},
  author    = {Dhamdhere, Kedar and Sundararajan, Mukund and Yan, Qiqi},
  booktitle = {International Conference on Learning Representations},
  year      = {2019}
}
""",
    "Dhamdhere et al. 2019",
)
LEINO_2018 = Citation(
    "leino2018influence",
    """\
@inproceedings{leino2018influence,
  title     = {Influence-Directed Explanations for Deep Convolutional Networks},
  author    = {Leino, Klas and Sen, Shayak and Datta, Anupam and Fredrikson, Matt and Li, Linyi},
  booktitle = {{IEEE} International Test Conference},
  year      = {2018}
}
""",
    "Leino et al. 2018",
)

_EMBEDDING: tuple[Level, ...] = ("embedding",)
_GRADIENTS: frozenset[Need] = frozenset({"gradients"})
_BOTH: frozenset[Need] = frozenset({"gradients", "attentions"})

CATALOGUE = (
    Method(
        name="gpr",
        title="guided pattern refinement",
        family="paths",
        levels=LEVELS,
        needs=_GRADIENTS,
        citation=LU_2021,
        summary="guided pattern refinement: each word's path of most influence, layer by layer",
        implementation="patterns.search:GUIDED",
    ),
    Method(
        name="attention",
        title="attention",
        family="paths",
        levels=_EMBEDDING,
        needs=_BOTH,
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
        needs=_BOTH,
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
        needs=_BOTH,
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
        needs=_GRADIENTS,
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
        needs=_GRADIENTS,
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
        needs=_GRADIENTS,
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
        needs=_GRADIENTS,
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
        needs=_GRADIENTS,
        citation=LU_2021,
        summary="gpr with every head of its position in the place of each skip: a pattern, not a path",
        implementation="",
        comparison="default",
    ),
)

METHODS = {method.name: method for method in CATALOGUE if method.implementation}
"""The methods that a run can be made with, by name."""
COMPARABLE = {method.name: method for method in CATALOGUE if method.comparison}
"""What `evaluate` can compare guided patterns with, by name."""
COMPARED = tuple(method.name for method in CATALOGUE if method.comparison == "default")
"""What it compares them with unless others are named."""


def method_named(name: str) -> Method:
    """Return a method that a run can be made with; raises UsageError for an unknown name."""
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]
