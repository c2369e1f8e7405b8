// title: Whether two roles' words meet before the target
// description: In how many instances the patterns of a word in one role and of a word in another enter the
//   same embedding at a position other than the target's.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   level: level = finest  `attention` or `embedding`; `finest` is attention where the run has it.
//   role: role  Role of one word.
//   other_role: role  Role of the other word (the same role: two words that share it).
//   subtask: subtask = ""  Only instances of this subtask; all where empty.
//   condition: condition = ""  Only instances of this condition; all where empty.
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
     CASE WHEN $level = 'attention' THEN 24 ELSE 12 END AS stride
UNWIND range(1, (size(route) + 1) / stride - CASE WHEN $level = 'attention' THEN 0 ELSE 1 END) AS layer
WITH i, layer, substring(route, layer * stride + 6 + $first, 5) AS offset,
     substring(other_route, layer * stride + 6 + $first, 5) AS other_offset
WITH i, min(CASE WHEN offset = other_offset AND offset <> '+000' THEN layer END) AS first_layer
RETURN i.subtask AS subtask, i.condition AS condition, count(*) AS instances, count(first_layer) AS meeting,
       1.0 * count(first_layer) / count(*) AS meeting_share, avg(first_layer) AS mean_layer
ORDER BY subtask, condition
