"""What the templates of a run and of two runs must return, in plain Python."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from support.expected_data import Data, Row, Rows, by, mean


def _matched(data: Data, run: str, other: str, level: str, **scope: Any) -> Iterator[tuple[Row, Row, bool]]:
    seconds = {(q["instance"], q["position"]): q for q in data.scope(other, level)}
    for p in data.scope(run, level, **scope):
        q = seconds.get((p["instance"], p["position"]))
        if q is not None:
            yield p, q, [at.label for at in p["at"]] == [at.label for at in q["at"]]


def compare_runs(data: Data, **options: Any) -> Rows:
    groups = defaultdict(list)
    for p, q, same in _matched(data, **options):
        groups[p["i"]["subtask"], p["role"]].append((p, q, same))
    return [
        [
            *(*key, len(found), sum(same for *_, same in found), mean(same for *_, same in found)),
            mean(p["sign"] == q["sign"] for p, q, _ in found),
            mean(p["influence"] for p, _, _ in found),
            mean(q["influence"] for _, q, _ in found),
        ]
        for key, found in sorted(groups.items())
    ]


def compare_instances(data: Data, limit: int = 20, **options: Any) -> Rows:
    groups = defaultdict(list)
    for p, _, same in _matched(data, **options):
        groups[p["instance"]].append(same)
    rows: Rows = []
    for one, found in groups.items():
        i = data.instances[one]
        rows.append([one, i["name"], i["text"], len(found), sum(found), mean(found)])
    return sorted(rows, key=lambda r: (r[5], r[0]))[:limit]


def accuracy(data: Data, run: str, **scope: Any) -> Rows:
    pairs = [i | {"e": e} for i, e in data.evaluated(run, **scope)]
    rows: Rows = []
    for key, group in by(pairs, lambda row: (row["subtask"], row["condition"])).items():
        right = [row["e"]["is_correct"] for row in group if not row["e"]["label_is_predicted"]]
        share = mean(right) if right else None
        rows.append([*key, len(group), len(right), sum(right), share, mean(row["e"]["qoi"] for row in group)])
    return rows


def outcomes(data: Data, run: str, limit: int = 1000, **scope: Any) -> Rows:
    rows: Rows = []
    for i, e in data.evaluated(run, **scope)[:limit]:
        change = e["qoi"] - e["qoi_baseline"]
        said = [e["roles"], e["target"], not e["label_is_predicted"], e["is_correct"], e["qoi"], change]
        total = change + e["completeness_error"]
        rows.append([i["id"], i["subtask"], i["condition"], *said, total])
    return rows


def structures(data: Data, run: str, **scope: Any) -> Rows:
    pairs = [i | {"e": e} for i, e in data.evaluated(run, **scope)]
    groups = by(pairs, lambda row: (row["subtask"], row["e"]["target"], tuple(row["e"]["roles"])))
    rows = [
        [
            *(subtask, len(roles), target, roles, len(group)),
            *(mean(row["e"]["qoi"] for row in group), min(row["id"] for row in group)),
        ]
        for (subtask, target, roles), group in (((k[0], k[1], list(k[2])), g) for k, g in groups.items())
    ]
    return sorted(rows, key=lambda r: (r[0], -r[4], r[1], r[2], r[6]))


def completeness(data: Data, run: str, threshold: float = 0.05, limit: int = 20, **scope: Any) -> Rows:
    rows: Rows = []
    for i, e in data.evaluated(run, **scope):
        change, error = e["qoi"] - e["qoi_baseline"], e["completeness_error"]
        if abs(error) > threshold * abs(change):
            relative = abs(error) / abs(change)
            rows.append([i["id"], i["name"], i["text"], change, error, e["points"], relative])
    return sorted(rows, key=lambda r: (-r[6], r[0]))[:limit]


def margins(data: Data, **scope: Any) -> Rows:
    groups: dict[int, list[float]] = defaultdict(list)
    close: dict[int, int] = defaultdict(int)
    for p in data.scope(**scope):
        for at in p["at"]:
            if at.margin is not None:
                groups[at.layer].append(at.margin / abs(p["e"]["qoi"]))
                error, scale = abs(p["e"]["completeness_error"]), abs(p["e"]["qoi"])
                close[at.layer] += at.margin <= error or at.margin <= 0.001 * scale
    bounds = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    return [
        [layer, len(found), close[layer], *(sum(ratio <= bound for ratio in found) for bound in bounds)]
        for layer, found in sorted(groups.items())
    ]


def margins_by_instance(data: Data, limit: int = 1000, **scope: Any) -> Rows:
    groups: dict[str, list[Row]] = by(data.scope(**scope), lambda p: p["instance"])
    rows: Rows = []
    for instance, patterns in groups.items():
        found: dict[int, list[float]] = defaultdict(list)
        close: dict[int, int] = defaultdict(int)
        error, scale = (abs(patterns[0]["e"][name]) for name in ("completeness_error", "qoi"))
        for at in (at for p in patterns for at in p["at"] if at.margin is not None):
            found[at.layer].append(at.margin / scale)
            close[at.layer] += at.margin <= error or at.margin <= 0.001 * scale
        bounds = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
        for layer, ratios in sorted(found.items()):
            within = [sum(ratio <= bound for ratio in ratios) for bound in bounds]
            rows.append([instance, layer, len(ratios), close[layer], *within])
    return rows[:limit]


KEY = [
    "metric",
    "method",
    "level",
    "grouping",
    "target",
    "size",
    "counting",
    "k",
    "search",
    "beam",
    "position",
]
REST = ["word", "value", "low", "high", "count", "draws", "resamples", "seed", "note", "runs"]


def measures(data: Data, run: str, metric: str = "") -> Rows:
    found = [m for m in data.measures if run in m["runs"] and metric in ("", m["metric"])]
    return sorted(([m[name] for name in KEY + REST] for m in found), key=lambda row: row[: len(KEY)])
