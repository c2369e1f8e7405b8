"""Whom to cite for a method: BibTeX entries by key."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Citation:
    """Whom to cite: a BibTeX key, its entry, and the short form of running text."""

    key: str
    entry: str
    short: str


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
KOBAYASHI_2021 = Citation(
    "kobayashi2021incorporating",
    """\
@inproceedings{kobayashi2021incorporating,
  title     = {Incorporating Residual and Normalization Layers into Analysis of Masked Language Models},
  author    = {Kobayashi, Goro and Kuribayashi, Tatsuki and Yokoi, Sho and Inui, Kentaro},
  booktitle = {Proceedings of the 2021 Conference on Empirical Methods in Natural Language Processing},
  pages     = {4547--4568},
  year      = {2021}
}
""",
    "Kobayashi et al. 2021",
)
MODARRESSI_2022 = Citation(
    "modarressi2022globenc",
    """\
@inproceedings{modarressi2022globenc,
  title     = {{GlobEnc}: Quantifying Global Token Attribution by Incorporating the Whole Encoder Layer
               in Transformers},
  author    = {Modarressi, Ali and Fayyaz, Mohsen and Yaghoobzadeh, Yadollah and Pilehvar, Mohammad Taher},
  booktitle = {Proceedings of the 2022 Conference of the North American Chapter of the Association for
               Computational Linguistics},
  pages     = {258--271},
  year      = {2022}
}
""",
    "Modarressi et al. 2022",
)
PASCUAL_2021 = Citation(
    "pascual2021telling",
    """\
@inproceedings{pascual2021telling,
  title     = {Telling {BERT}'s Full Story: from Local Attention to Global Aggregation},
  author    = {Pascual, Dami{\\'a}n and Brunner, Gino and Wattenhofer, Roger},
  booktitle = {Proceedings of the 16th Conference of the European Chapter of the Association for
               Computational Linguistics},
  pages     = {105--124},
  year      = {2021}
}
""",
    "Pascual et al. 2021",
)
ETHAYARAJH_2021 = Citation(
    "ethayarajh2021attention",
    """\
@inproceedings{ethayarajh2021attention,
  title     = {Attention Flows are {Shapley} Value Explanations},
  author    = {Ethayarajh, Kawin and Jurafsky, Dan},
  booktitle = {Proceedings of the 59th Annual Meeting of the Association for Computational Linguistics},
  pages     = {49--54},
  year      = {2021}
}
""",
    "Ethayarajh and Jurafsky 2021",
)
METZGER_2022 = Citation(
    "metzger2022attention",
    """\
@misc{metzger2022attention,
  title     = {Attention Flows for General Transformers},
  author    = {Metzger, Niklas and Hahn, Christopher and Siber, Julian and Schmitt, Frederik and
               Finkbeiner, Bernd},
  note      = {arXiv:2205.15389},
  year      = {2022}
}
""",
    "Metzger et al. 2022",
)
SIMONYAN_2014 = Citation(
    "simonyan2014deep",
    """\
@inproceedings{simonyan2014deep,
  title     = {Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps},
  author    = {Simonyan, Karen and Vedaldi, Andrea and Zisserman, Andrew},
  booktitle = {International Conference on Learning Representations, Workshop Track},
  year      = {2014}
}
""",
    "Simonyan et al. 2014",
)
DENIL_2014 = Citation(
    "denil2014extraction",
    """\
@misc{denil2014extraction,
  title     = {Extraction of Salient Sentences from Labelled Documents},
  author    = {Denil, Misha and Demiraj, Alban and de Freitas, Nando},
  note      = {arXiv:1412.6815},
  year      = {2014}
}
""",
    "Denil et al. 2014",
)
SUNDARARAJAN_2017 = Citation(
    "sundararajan2017axiomatic",
    """\
@inproceedings{sundararajan2017axiomatic,
  title     = {Axiomatic Attribution for Deep Networks},
  author    = {Sundararajan, Mukund and Taly, Ankur and Yan, Qiqi},
  booktitle = {Proceedings of the 34th International Conference on Machine Learning},
  pages     = {3319--3328},
  year      = {2017}
}
""",
    "Sundararajan et al. 2017",
)
LI_2016 = Citation(
    "li2016understanding",
    """\
@misc{li2016understanding,
  title     = {Understanding Neural Networks through Representation Erasure},
  author    = {Li, Jiwei and Monroe, Will and Jurafsky, Dan},
  note      = {arXiv:1612.08220},
  year      = {2016}
}
""",
    "Li et al. 2016",
)
