// title: Where two roles' words first meet, pair by pair
// description: For every pair of words of two roles in one instance, the first layer in which their patterns
//   enter the same embedding at a position other than the target's: what intervals over instances are computed
//   from.
// parameters: run, level, subtask, condition
//   role: role  Role of one word.
//   other_role: role  Role of the other word (the same role: two words that share it, the earlier first).
//   limit: int 1.. = 1000  Rows at most.
// columns:
//   instance: Id of the instance.
//   subtask: Its subtask.
//   condition: Its condition.
//   position: Position of the first word.
//   other_position: Position of the other word.
//   layer: Layer of the embedding in which they first meet, from 1; nothing where they do not meet.
//   meeting: The role of its position, padded with dots; empty where they do not meet.
//   step: How the first word's pattern enters it: `h03.07` for layer 3, head 7; `s03.--` for the skip; empty at
//     embedding level and where they do not meet.
//   other_step: How the other word's pattern enters it.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level, role: $role})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (i)-[:HAS_PATTERN]->(q:Pattern {run: $run, level: $level, role: $other_role})
WHERE $role <> $other_role OR p.position < q.position  // of one role: each pair once
WITH i, p, q, CASE WHEN $level = 'attention' THEN 2 ELSE 1 END AS per_layer
UNWIND range(1, ((size(p.route) + 1) / $stride - 1) / per_layer) AS at
WITH i, p, q, per_layer, at,
     substring(p.target_route, at * per_layer * $stride + 6 + $first, $stride - 7) AS offset,
     substring(q.target_route, at * per_layer * $stride + 6 + $first, $stride - 7) AS other_offset
WITH i, p, q, per_layer, min(CASE WHEN offset = other_offset AND offset <> '+0000' THEN at END) AS layer
WITH i, p, q, per_layer, layer, coalesce(layer, 1) AS at
RETURN i.id AS instance, i.subtask AS subtask, i.condition AS condition, p.position AS position,
       q.position AS other_position, layer,
       CASE WHEN layer IS NULL THEN ''
            ELSE substring(p.role_route, at * per_layer * $role_stride + 7 + $first, $role_stride - 8)
       END AS meeting,
       CASE WHEN layer IS NULL OR per_layer = 1 THEN ''
            ELSE substring(p.route, (at * 2 - 1) * $stride + $first, 6) END AS step,
       CASE WHEN layer IS NULL OR per_layer = 1 THEN ''
            ELSE substring(q.route, (at * 2 - 1) * $stride + $first, 6) END AS other_step
ORDER BY instance, position, other_position LIMIT $limit
