"""What the templates of paths, heads, skips and nodes must return, in plain Python."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from support.expected_data import At, Data, Row, Rows, carried_by, instances_of, node
from support.expected_data import by as grouped


def _skip_row(patterns: list[Row]) -> list[Any]:
    skips = heads = staying = 0
    for pattern in patterns:
        before = pattern["at"][0]
        for at in pattern["at"]:
            skips += at.kind == "skip"
            heads += at.kind == "head"
            staying += at.kind == "head" and at.position == before.position
            before = at if at.kind == "embedding" else before
    stays = skips + staying
    return [skips, heads, skips / (skips + heads), staying, skips / stays if stays else None]


def skip_share(data: Data, by: str = "all", **scope: Any) -> Rows:
    patterns = data.scope(**scope)
    if by == "layer":
        layers = range(1, 1 + max(at.layer for p in patterns for at in p["at"]))
        return [["", "", "", n, *_skip_row([_one_layer(p, n) for p in patterns])] for n in layers]
    groups = grouped(patterns, lambda p: _group(p, by))
    return [[*key, 0, *_skip_row(group)] for key, group in groups.items()]


def _group(pattern: Row, by: str) -> tuple[str, str, str]:
    """Return the subtask, condition and role that a pattern is grouped under; empty where it is not."""
    subtask, condition = pattern["i"]["subtask"], pattern["i"]["condition"]
    return (
        subtask if by in ("subtask", "condition") else "",
        condition if by == "condition" else "",
        pattern["role"] if by == "role" else "",
    )


def _one_layer(pattern: Row, layer: int) -> Row:
    start = next(i for i, at in enumerate(pattern["at"]) if at.layer == layer) - 1
    return pattern | {"at": pattern["at"][start : start + 3]}


def skip_share_by_instance(data: Data, limit: int = 1000, **scope: Any) -> Rows:
    counts: Counter[tuple[str, str, str, int, str]] = Counter()
    for p in data.scope(**scope):
        for at in p["at"]:
            counts[p["instance"], p["i"]["subtask"], p["i"]["condition"], at.layer, at.kind] += 1
    keys = sorted({key[:4] for key in counts if key[3] > 0})
    return [[*key, counts[*key, "skip"], counts[*key, "head"]] for key in keys][:limit]


def heads_by_traversal(
    data: Data, layer: int = 0, limit: int = 20, rank: str = "count", **scope: Any
) -> Rows:
    patterns = data.scope(**scope)
    passing = _passing(patterns, _head)
    rows = [
        [
            *(*key, len(ps), len(ps) / len(patterns)),
            *(instances_of(ps), instances_of(ps) / instances_of(patterns), *carried_by(ps, patterns)),
        ]
        for key, ps in passing.items()
        if layer in (0, key[0])
    ]
    return sorted(rows, key=lambda row: (-row[2 if rank == "count" else 6], row[0], row[1]))[:limit]


def _head(pattern: Row, at: At) -> tuple[int, int]:
    return at.layer, at.head


def _passing(patterns: list[Row], key: Callable[[Row, At], Any]) -> dict[Any, list[Row]]:
    """Return the patterns that pass a head, by a key of pattern and head."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for p in patterns:
        for at in p["at"]:
            if at.kind == "head":
                groups[key(p, at)].append(p)
    return groups


def heads_by_layer(data: Data, layer: int = 0, rank: str = "count", **scope: Any) -> Rows:
    patterns = data.scope(**scope)
    passing = {key: ps for key, ps in _passing(patterns, _head).items() if layer in (0, key[0])}
    totals = Counter({of: 0 for of, _ in passing})
    for (of, _), ps in passing.items():
        totals[of] += len(ps)
    rows = [
        [of, head, len(ps), len(ps) / totals[of], *carried_by(ps, patterns)]
        for (of, head), ps in passing.items()
    ]
    return sorted(rows, key=lambda row: (row[0], -row[2 if rank == "count" else 4], row[1]))


def heads_by_role(data: Data, layer: int = 0, limit: int = 200, rank: str = "count", **scope: Any) -> Rows:
    patterns = data.scope(**scope)
    totals = Counter(p["role"] for p in patterns)
    passing = _passing(patterns, lambda p, at: (p["role"], at.layer, at.head))
    rows = [
        [*key, len(ps), len(ps) / totals[key[0]], *carried_by(ps, patterns)]
        for key, ps in passing.items()
        if layer in (0, key[1])
    ]
    return sorted(rows, key=lambda row: (row[0], -row[_RANKED[rank]], row[1], row[2]))[:limit]


_RANKED = {"count": 3, "influence": 5}


def heads_by_destination(
    data: Data, layer: int = 0, limit: int = 200, rank: str = "count", **scope: Any
) -> Rows:
    patterns = data.scope(**scope)
    totals = _passing(patterns, _head)
    passing = _passing(patterns, lambda p, at: (p["e"]["roles"][at.position], at.layer, at.head))
    rows = [
        [*key, len(ps), len(ps) / len(totals[key[1:]]), *carried_by(ps, patterns)]
        for key, ps in passing.items()
        if layer in (0, key[1])
    ]
    return sorted(rows, key=lambda row: (row[0], -row[_RANKED[rank]], row[1], row[2]))[:limit]


def instances_through_head(
    data: Data, role: str, layer: int, head: int, limit: int = 100, **scope: Any
) -> Rows:
    rows = [
        [
            *(p["i"][name] for name in ("id", "name", "subtask", "condition", "text")),
            *(p["word"], p["position"], at.position, p["sign"], at.influence),
        ]
        for p in data.scope(role=role, **scope)
        for at in p["at"]
        if (at.kind, at.layer, at.head) == ("head", layer, head)
    ]
    return sorted(rows, key=lambda row: (row[0], row[6]))[:limit]


# Subpaths and nodes


def _absolute(pattern: Row, at: At) -> str:
    return at.label


def _relative(pattern: Row, at: At) -> str:
    return f"{at.short}{at.position - pattern['e']['target']:+05d}"


def _role(pattern: Row, at: At) -> str:
    return f"{at.short}:{pattern['e']['roles'][at.position].ljust(16, '.')}"


_NAMES = {"position": _absolute, "role": _role, "target": _relative}


def routes(data: Data, by: str = "position", limit: int = 1000, **scope: Any) -> Rows:
    names = ("position", "role", "sign", "word", "word_index", "total_influence", "influence")
    rows = [
        [
            *(p["i"][name] for name in ("id", "subtask", "condition")),
            *(p[name] for name in names),
            " ".join(_NAMES[by](p, at) for at in p["at"]),
        ]
        for p in data.scope(**scope)
    ]
    return sorted(rows, key=lambda row: (row[0], row[3]))[:limit]


def shared_subpaths(
    data: Data, k: int = 3, limit: int = 20, by: str = "position", rank: str = "count", **scope: Any
) -> Rows:
    patterns = data.scope(**scope)
    holding: dict[str, list[Row]] = defaultdict(list)
    for p in patterns:
        labels = [_NAMES[by](p, at) for at in p["at"]]
        for start in range(len(labels) - k + 1):
            holding[" ".join(labels[start : start + k])].append(p)
    found: Rows = [
        [
            *(path, instances_of(ps), instances_of(ps) / instances_of(patterns), len(ps)),
            *carried_by(ps, patterns),
        ]
        for path, ps in holding.items()
    ]
    ranked = 1 if rank == "count" else 4
    return sorted(found, key=lambda row: (-math.floor(1e9 * row[ranked]), row[0]))[:limit]


def _columns(at: At) -> list[Any]:
    return [at.label, at.kind, at.layer, at.head, at.position]


def node_probability(data: Data, **scope: Any) -> Rows:
    patterns = data.scope(**scope)
    total = instances_of(patterns)
    holding = _holding(patterns)
    rows = [[*_columns(node(x)), len(ids), total, len(ids) / total] for x, ids in holding.items()]
    return sorted(rows, key=lambda row: (-row[5], row[0]))


def _holding(patterns: list[Row]) -> dict[str, set[str]]:
    holding: dict[str, set[str]] = defaultdict(set)
    for p in patterns:
        for at in p["at"]:
            holding[at.label].add(p["instance"])
    return holding


def node_probability_by_position(data: Data, **scope: Any) -> Rows:
    rows: Rows = []
    for position, patterns in grouped(data.scope(**scope), lambda p: p["position"]).items():
        total = instances_of(patterns)
        found = [[position, x, len(ids), total, len(ids) / total] for x, ids in _holding(patterns).items()]
        rows += sorted(found, key=lambda row: (-row[2], row[1]))
    return rows


def node_probability_difference(
    data: Data, condition: str, other_condition: str, limit: int = 20, **scope: Any
) -> Rows:
    first, second = (data.scope(condition=c, **scope) for c in (condition, other_condition))
    one, two = _holding(first), _holding(second)
    rows: Rows = []
    for label in one.keys() | two.keys():
        p, q = len(one.get(label, ())) / instances_of(first), len(two.get(label, ())) / instances_of(second)
        rows.append([*_columns(node(label)), p, q, p - q])
    return sorted(rows, key=lambda row: (-abs(row[7]), row[0]))[:limit]
