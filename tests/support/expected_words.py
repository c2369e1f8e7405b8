"""What the templates of words, of instances and of where words meet must return, in plain Python."""

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from support.expected_data import (
    Data,
    Row,
    Rows,
    by,
    carried_by,
    columns_of,
    instances_of,
    mean,
    node,
    words_of,
)

_INSTANCE = ("id", "dataset", "name", "subtask", "condition", "text", "correct", "wrong", "label")
_EVALUATION = (
    *("toward", "against"),
    *("qoi", "qoi_baseline", "is_correct", "completeness_error", "target", "label_is_predicted"),
    *("tokens", "words", "roles"),
)


def predictions(data: Data, run: str, limit: int = 1000, **scope: Any) -> Rows:
    found = data.evaluated(run, **scope)
    return [
        [*(i[name] for name in _INSTANCE), _class(data, e), *(e[name] for name in _EVALUATION)]
        for i, e in found
    ][:limit]


def _class(data: Data, prediction: Row) -> str:
    return "" if prediction["label"] < 0 else data.classes[prediction["run"]][prediction["label"]]


def instance(data: Data, run: str, instance: str) -> Rows:
    return [row for row in predictions(data, run) if row[0] == instance]


def instances(data: Data, run: str, correct: int = -1, limit: int = 20, **scope: Any) -> Rows:
    names = ("id", "name", "subtask", "condition", "text", "correct", "wrong")
    return [
        [
            *(i[name] for name in names),
            *(_class(data, e), e["toward"], e["against"], e["qoi"], e["completeness_error"]),
        ]
        for i, e in data.evaluated(run, **scope)
        if correct < 0 or (e["is_correct"] == bool(correct) and not e["label_is_predicted"])
    ][:limit]


def patterns_of_instance(data: Data, run: str, level: str, instance: str) -> Rows:
    names = ("level", "position", "token", "word", "role", "sign", "total_influence", "influence", "product")
    patterns = [p for p in data.scope(run, level) if p["instance"] == instance]
    return [
        [
            *(p[name] for name in names),
            *(step, at.label, at.kind, at.layer, at.head, at.position, at.influence, at.margin, at.runner_up),
        ]
        for p in sorted(patterns, key=lambda p: p["position"])
        for step, at in enumerate(p["at"])
    ]


def pattern_steps(data: Data, run: str, level: str, instances: int = 10, **scope: Any) -> Rows:
    ids = [i["id"] for i, _ in data.evaluated(run, **scope)][:instances]
    rows: Rows = []
    for one in ids:
        for row in patterns_of_instance(data, run, level, one):
            rows.append([one, *row[:8], *row[9:11], *row[15:]])
    return rows


def influential_words(
    data: Data,
    sign: int = 0,
    at_least: int = 1,
    limit: int = 20,
    role: str = "",
    rank: str = "total",
    **scope: Any,
) -> Rows:
    patterns = data.scope(**scope)
    words = [w for w in words_of(patterns) if sign in (0, w["sign"]) and role in ("", w["role"])]
    groups = by(words, lambda w: (w["role"], w["sign"], w["word"]))
    rows = [
        [
            *(*key, instances_of(ws), mean(w["total"] for w in ws), mean(w["carried"] for w in ws)),
            *carried_by([p for w in ws for p in w["pieces"]], patterns),
        ]
        for key, ws in groups.items()
        if instances_of(ws) >= at_least
    ]
    ranked = {"total": 4, "count": 3, "influence": 6}[rank]
    return sorted(rows, key=lambda r: (-math.floor(1e6 * abs(r[ranked])), r[0], r[2], r[1]))[:limit]


def influence_by_role(data: Data, **scope: Any) -> Rows:
    patterns = data.scope(**scope)
    whole = math.fsum(abs(p["total_influence"]) for p in patterns)
    groups = by(patterns, lambda p: (p["role"], -p["sign"]))
    return [
        [
            *(role, -minus, len(ps), instances_of(ps)),
            *(mean(p[name] for p in ps) for name in ("total_influence", "influence")),
            math.fsum(abs(p["total_influence"]) for p in ps) / whole,
        ]
        for (role, minus), ps in groups.items()
    ]


def influence_by_position(data: Data, **scope: Any) -> Rows:
    return [
        [
            *(*key, len(ps), mean(abs(p["total_influence"]) for p in ps)),
            *(mean(p["total_influence"] for p in ps), mean(abs(p["influence"]) for p in ps)),
        ]
        for key, ps in by(data.scope(**scope), lambda p: (p["position"], p["role"])).items()
    ]


def concentration(data: Data, **scope: Any) -> Rows:
    rows: Rows = []
    for minus, patterns in by(data.scope(**scope), lambda p: -p["sign"]).items():
        ratios = []
        for ps in by(patterns, lambda p: p["instance"]).values():
            ratios.append(math.fsum(p["influence"] for p in ps) / math.fsum(p["total_influence"] for p in ps))
        rows.append([-minus, len(ratios), mean(ratios)])
    return rows


def lexical(data: Data, run: str, role: str, level: str, subtask: str = "", limit: int = 200) -> Rows:
    labelled = [e for _, e in data.evaluated(run, subtask) if not e["label_is_predicted"]]
    errors = sum(not e["is_correct"] for e in labelled)
    words = list(words_of(data.scope(run, level, subtask, role=role)))
    rows: Rows = []
    for (word, condition), ws in by(words, lambda w: (w["word"], w["i"]["condition"])).items():
        found = {w["instance"]: w["e"]["is_correct"] for w in ws if not w["e"]["label_is_predicted"]}
        right = sum(found.values())
        means = [mean(w[name] for w in ws) for name in ("total", "carried")]
        missed = len(found) - right
        counts = [instances_of(ws), len(found), right, right / len(found) if found else None, len(ws)]
        rows.append([word, condition, *counts, *means, missed, missed / errors])
    return rows[:limit]


def convergence(data: Data, limit: int = 20, **scope: Any) -> Rows:
    patterns = data.scope(**scope)
    entering: dict[tuple[str, int, int], list[tuple[Row, int]]] = defaultdict(list)
    for p in patterns:
        column = columns_of(p)
        for layer in range(1, len(column)):
            if column[layer].position != p["e"]["target"]:
                entering[p["instance"], layer, column[layer].position].append((p, column[layer - 1].position))
    groups: dict[tuple[int, str], list[tuple[str, int]]] = defaultdict(list)
    for (one, layer, position), found in entering.items():
        if len({source for _, source in found}) > 1:
            groups[layer, found[0][0]["e"]["roles"][position]].append((one, len(found)))
    rows: Rows = []
    for (layer, role), found_in in groups.items():
        ids = {one for one, _ in found_in}
        total = instances_of(patterns)
        rows.append([layer, role, len(ids), total, len(ids) / total, sum(n for _, n in found_in)])
    return sorted(rows, key=lambda r: (-r[2], r[0], r[1]))[:limit]


def converging_words(data: Data, run: str, level: str, instance: str) -> Rows:
    patterns = [p for p in data.scope(run, level) if p["instance"] == instance]
    entering: dict[str, list[tuple[Row, int]]] = defaultdict(list)
    for p in patterns:
        column = columns_of(p)
        for before, at in pairwise(column):
            if at.position != p["e"]["target"]:
                entering[at.label].append((p, before.position))
    rows: Rows = []
    for label, found in entering.items():
        if len({source for _, source in found}) > 1:
            at = node(label)
            for p, _ in found:
                token = p["e"]["tokens"][at.position]
                word = [p["position"], p["token"], p["role"], p["sign"]]
                rows.append([label, at.layer, at.position, token, *word])
    return sorted(rows, key=lambda r: (r[1], r[2], r[4]))


def _pairs(data: Data, role: str, other_role: str, **scope: Any) -> Iterator[tuple[Row, Row, int | None]]:
    """Yield pairs of two roles' patterns in one instance, and the layer in which they first meet."""
    patterns = data.scope(**scope)
    for p in patterns:
        for q in patterns:
            if (p["instance"], p["role"], q["role"]) != (q["instance"], role, other_role):
                continue
            if role == other_role and p["position"] >= q["position"]:  # each pair once, the earlier first
                continue
            met = [
                at.layer
                for at, other in zip(columns_of(p), columns_of(q), strict=True)
                if at.layer and at.position == other.position != p["e"]["target"]
            ]
            yield p, q, min(met, default=None)


def merges(data: Data, **options: Any) -> Rows:
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for p, _, layer in _pairs(data, **options):
        group = found[p["i"]["subtask"], p["i"]["condition"]]
        group[p["instance"]] = min(group.get(p["instance"], 999), layer or 999)
    rows: Rows = []
    for key, firsts in sorted(found.items()):
        met = [layer for layer in firsts.values() if layer < 999]
        rows.append([*key, len(firsts), len(met), len(met) / len(firsts), mean(met) if met else None])
    return rows


def merge_points(data: Data, limit: int = 20, **options: Any) -> Rows:
    pairs = list(_pairs(data, **options))
    groups: dict[tuple[int, str, str, str], list[str]] = defaultdict(list)
    for p, q, layer in pairs:
        if layer is not None:
            role = p["e"]["roles"][columns_of(p)[layer].position]
            groups[layer, role, _into(p, layer), _into(q, layer)].append(p["instance"])
    rows: Rows = [[*key, len(ids), len(ids) / len(pairs), len(set(ids))] for key, ids in groups.items()]
    return sorted(rows, key=lambda r: (-r[4], *r[:4]))[:limit]


def first_meetings(data: Data, limit: int = 1000, **options: Any) -> Rows:
    rows: Rows = []
    for p, q, layer in _pairs(data, **options):
        where = ["", "", ""]
        if layer is not None:
            role = p["e"]["roles"][columns_of(p)[layer].position]
            where = [role.ljust(16, "."), _into(p, layer), _into(q, layer)]
        i = p["i"]
        rows.append([i["id"], i["subtask"], i["condition"], p["position"], q["position"], layer, *where])
    return sorted(rows, key=lambda r: (r[0], r[3], r[4]))[:limit]


def _into(pattern: Row, layer: int) -> str:
    """Return the head or skip through which a pattern enters its embedding of a layer."""
    return next((at.short for at in pattern["at"] if at.layer == layer and at.kind in ("head", "skip")), "")
