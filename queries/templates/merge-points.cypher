// title: Where two roles' words first meet before the target
// description: The layer, the place and the heads or skips through which the patterns of a word in one role
//   and of a word in another first enter the same embedding at a position other than the target's.
// parameters: run, level, subtask, condition, limit
//   role: role  Role of one word.
//   other_role: role  Role of the other word (the same role: two words that share it).
// columns:
//   layer: Layer of the embedding in which they first meet, from 1.
//   meeting_role: Role of its position.
//   step: How the first word's pattern (of one role: the earlier word's) enters it: `h03.07` for layer 3,
//     head 7; `s03.--` for the skip; empty at embedding level.
//   other_step: How the other word's pattern enters it.
//   pairs: Pairs of such words that first meet so, each counted once.
//   pair_share: Of all pairs of such words in an instance (an instance has one where a role has one word).
//   instances: Instances with such a pair.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level, role: $role})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (i)-[:HAS_PATTERN]->(q:Pattern {run: $run, level: $level, role: $other_role})
WHERE $role <> $other_role OR p.position < q.position  // of one role: each pair once
WITH count(*) AS all_pairs
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level, role: $role})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (i)-[:HAS_PATTERN]->(q:Pattern {run: $run, level: $level, role: $other_role})
WHERE $role <> $other_role OR p.position < q.position
WITH all_pairs, i, p, q, CASE WHEN $level = 'attention' THEN 2 ELSE 1 END AS per_layer
UNWIND range(1, ((size(p.route) + 1) / $stride - 1) / per_layer) AS layer
WITH all_pairs, i, p, q, per_layer, layer,
     substring(p.target_route, layer * per_layer * $stride + 6 + $first, $stride - 7) AS offset,
     substring(q.target_route, layer * per_layer * $stride + 6 + $first, $stride - 7) AS other_offset
WHERE offset = other_offset AND offset <> '+0000'
WITH all_pairs, i, p, q, per_layer, min(layer) AS layer
WITH all_pairs, i, layer,
     substring(p.role_route, layer * per_layer * $role_stride + 7 + $first, $role_stride - 8) AS label,
     CASE WHEN per_layer = 2 THEN substring(p.route, (layer * 2 - 1) * $stride + $first, 6) ELSE '' END AS step,
     CASE WHEN per_layer = 2 THEN substring(q.route, (layer * 2 - 1) * $stride + $first, 6) ELSE '' END AS other_step
WITH all_pairs, layer, label, step, other_step, count(*) AS pairs, count(DISTINCT i) AS instances
UNWIND range(1, size(label)) AS place  // the last that holds no dot ends the role: dots fill it up
WITH all_pairs, layer, label, step, other_step, pairs, instances,
     max(CASE WHEN substring(label, place - 1 + $first, 1) <> '.' THEN place ELSE 0 END) AS length
RETURN layer, left(label, length) AS meeting_role, step, other_step, pairs, 1.0 * pairs / all_pairs AS pair_share,
       instances
ORDER BY pairs DESC, layer, meeting_role, step, other_step LIMIT $limit
