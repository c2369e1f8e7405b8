// title: Whether two roles' words meet before the target
// description: In how many instances the patterns of a word in one role and of a word in another enter the
//   same embedding at a position other than the target's.
// parameters: run, level, subtask, condition
//   role: role  Role of one word.
//   other_role: role  Role of the other word (the same role: two words that share it).
// columns:
//   subtask: Subtask of the instances.
//   condition: Condition of the instances.
//   instances: Instances that have a pattern of both roles.
//   meeting: Those in which two such patterns meet before the target.
//   meeting_share: meeting / instances.
//   mean_layer: Mean layer of the first meeting, over the instances that have one.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level, role: $role})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (i)-[:HAS_PATTERN]->(q:Pattern {run: $run, level: $level, role: $other_role})
WHERE p.position <> q.position
WITH i, p.target_route AS route, q.target_route AS other_route,
     CASE WHEN $level = 'attention' THEN 2 ELSE 1 END AS per_layer
UNWIND range(1, ((size(route) + 1) / $stride - 1) / per_layer) AS layer
WITH i, layer, substring(route, layer * per_layer * $stride + 6 + $first, $stride - 7) AS offset,
     substring(other_route, layer * per_layer * $stride + 6 + $first, $stride - 7) AS other_offset
WITH i, min(CASE WHEN offset = other_offset AND offset <> '+0000' THEN layer END) AS first_layer
RETURN i.subtask AS subtask, i.condition AS condition, count(*) AS instances, count(first_layer) AS meeting,
       1.0 * count(first_layer) / count(*) AS meeting_share, avg(first_layer) AS mean_layer
ORDER BY subtask, condition
