"""What templates on scores of tokens, views of heads and layer matrices must return, by pandas and scipy."""

from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from support.expected_data import Data, Row, Rows


def attributions(data: Data, run: str, instance: str = "", method: str = "", limit: int = 1000) -> Rows:
    rows = [
        [i["id"], row["method"], k, e["tokens"][k], e["words"][k], e["roles"][k], score]
        for i, e, row in data.scored(data.attributions, run)
        if instance in ("", i["id"]) and method in ("", row["method"])
        for k, score in enumerate(row["scores"])
    ]
    return rows[:limit]


def attributions_by_instance(
    data: Data, run: str, subtask: str = "", condition: str = "", limit: int = 1000
) -> Rows:
    rows = [
        [
            *(i[name] for name in ("id", "subtask", "condition")),
            row["method"],
            *(e[name] for name in ("target", "words", "word_indices", "roles")),
            *(row[name] for name in ("scores", "cut_layers", "mixing")),
        ]
        for i, e, row in data.scored(data.attributions, run, subtask, condition)
    ]
    return rows[:limit]


def tokens_of(data: Data, run: str, subtask: str = "", condition: str = "") -> pd.DataFrame:
    """Return the tokens of a run's instances in scope."""
    return pd.DataFrame(
        [
            {"instance": i["id"], "role": role, "word": word, "index": index, "score": score}
            for i, e, row in data.scored(data.attributions, run, subtask, condition)
            for role, word, index, score in zip(
                e["roles"], e["words"], e["word_indices"], row["scores"], strict=True
            )
        ]
    )


def with_ranks(frame: pd.DataFrame) -> pd.DataFrame:
    """Return tokens or words with each one's share of its instance's scores and its rank there."""
    sizes = frame["score"].abs()
    groups = sizes.groupby(frame["instance"])
    ranks = groups.transform(lambda values: rankdata(-values, "min"))
    return frame.assign(share=sizes / groups.transform("sum"), place=ranks.astype(float))


def attributed_words(
    data: Data,
    run: str,
    subtask: str = "",
    condition: str = "",
    role: str = "",
    sign: int = 0,
    at_least: int = 1,
    limit: int = 20,
) -> Rows:
    pieces = tokens_of(data, run, subtask, condition)
    words = with_ranks(pieces.groupby(["instance", "role", "word", "index"])["score"].sum().reset_index())
    words["sign"] = np.where(words["score"] >= 0, 1, -1)
    rows: Rows = []
    for _, group in words.groupby(["role", "sign", "word"]):
        of_role, of_sign, word = group[["role", "sign", "word"]].iloc[0].tolist()
        instances = group["instance"].nunique()
        if role in ("", of_role) and sign in (0, of_sign) and instances >= at_least:
            means = group[["score", "share", "place"]].mean().tolist()
            rows.append([of_role, int(of_sign), word, instances, *means])
    return sorted(rows, key=lambda row: (-row[5], row[0], row[2], row[1]))[:limit]


def attribution_by_role(data: Data, run: str, subtask: str = "", condition: str = "") -> Rows:
    tokens = with_ranks(tokens_of(data, run, subtask, condition))
    every = tokens["instance"].nunique()
    rows = [
        [
            role,
            len(group),
            group["instance"].nunique(),
            group["score"].mean(),
            group["share"].sum() / every,
            group["place"].mean(),
        ]
        for role, group in tokens.groupby("role")
    ]
    return sorted([[*map(_plain, row)] for row in rows], key=lambda row: -row[4])


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def arrays_of(data: Data, run: str, name: str, subtask: str = "", condition: str = "") -> "np.ndarray":
    """Return lists of a run's views as [instances, layers, heads, numbers of a head]."""
    lists = [row[name] for _, _, row in data.scored(data.views, run, subtask, condition)]
    each = 5 if name.endswith("masses") else 1
    return np.array(lists).reshape(len(lists), -1, data.heads[run], each)


def head_views(
    data: Data, run: str, subtask: str = "", condition: str = "", layer: int = 0, limit: int = 20
) -> Rows:
    names = ("divergences", "correlations", "local_masses", "global_masses")
    found = [arrays_of(data, run, name, subtask, condition) for name in names]
    divergences, correlations, local, overall = (array.mean(0) for array in found)
    rows = []
    for at, head in product(range(divergences.shape[0]), range(divergences.shape[1])):
        masses = np.stack([local[at, head], overall[at, head]], 1).ravel().tolist()
        means = [float(divergences[at, head, 0]), float(correlations[at, head, 0])]
        if layer in (0, at + 1):
            rows.append([at + 1, head + 1, len(found[0]), *means, *masses])
    return sorted(rows, key=lambda row: -row[3])[:limit]


def views_by_instance(
    data: Data, run: str, subtask: str = "", condition: str = "", limit: int = 1000
) -> Rows:
    names = ("divergences", "correlations", "local_masses", "global_masses")
    found = data.scored(data.views, run, subtask, condition)
    return [[i["id"], len(e["tokens"]), *(row[name] for name in names)] for i, e, row in found][:limit]


def mixing(data: Data, run: str, subtask: str = "", condition: str = "") -> Rows:
    lists = [row["mixing"] for _, _, row in data.scored(data.attributions, run, subtask, condition)]
    return [[k + 1, mean, len(lists)] for k, mean in enumerate(np.mean(lists, 0).tolist())]


def cut_layers(data: Data, run: str, subtask: str = "", condition: str = "") -> Rows:
    lists = [row["cut_layers"] for _, _, row in data.scored(data.attributions, run, subtask, condition)]
    times = Counter(layer for layers in lists for layer in layers if layer)
    total = sum(times.values())
    return [[layer, n, n / total, sum(layer in one for one in lists)] for layer, n in sorted(times.items())]


def contributions(
    data: Data,
    run: str,
    subtask: str = "",
    condition: str = "",
    layer: int = 0,
    own: bool = False,
    limit: int = 20,
) -> Rows:
    groups: dict[tuple[str, str], dict[tuple[str, ...], list[Row]]] = {}
    for i, e, row in data.scored(data.matrices, run, subtask, condition):
        groups.setdefault((i["subtask"], i["condition"]), {}).setdefault(tuple(e["roles"]), []).append(row)
    rows: Rows = []
    for names, structures in groups.items():
        alike = max(structures.values(), key=len)
        shape = [alike[0][name] for name in ("layers", "rows", "columns")]
        mean = np.mean([row["values"] for row in alike], 0).reshape(shape)
        for (at, target, source), value in np.ndenumerate(mean):
            if layer in (0, at + 1) and (own or source != target) and value:
                rows.append([*names, at + 1, 1, 1, source, target, float(value), len(alike)])
    return sorted(rows, key=lambda row: (-row[7], row[2], row[6], row[5]))[:limit]
