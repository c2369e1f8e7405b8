// title: Where words converge before the target
// description: At which layer and role the patterns of several words, coming from different positions, meet
//   before they reach the target's position.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   level: level = finest  `attention` or `embedding`; `finest` is attention where the run has it.
//   subtask: string = ""  Only instances of this subtask; all where empty.
//   condition: string = ""  Only instances of this condition; all where empty.
//   sign: int -1|0|1 = 0  1: patterns of words with total influence >= 0 (Pi_+); -1: the others (Pi_-); 0:
//     both.
//   limit: int 1.. = 20  Rows at most.
// columns:
//   layer: Layer of the embedding in which they meet, from 1.
//   role: Role of its position.
//   instances: Instances in which patterns from at least two positions enter such an embedding.
//   instance_share: Of the instances that have a pattern in scope.
//   patterns: Patterns that meet there.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE ($subtask = '' OR i.subtask = $subtask) AND ($condition = '' OR i.condition = $condition) AND ($sign = 0 OR p.sign = $sign)
WITH count(DISTINCT i) AS all_instances
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE ($subtask = '' OR i.subtask = $subtask) AND ($condition = '' OR i.condition = $condition) AND ($sign = 0 OR p.sign = $sign)
WITH all_instances, i, p.target_route AS route, p.role_route AS roles,
     CASE WHEN $level = 'attention' THEN 2 ELSE 1 END AS stride
UNWIND range(1, ((size(route) + 1) / 11 - 1) / stride) AS layer
WITH all_instances, i, layer, substring(route, layer * stride * 11 + 6 + $first, 4) AS offset,
     substring(route, (layer - 1) * stride * 11 + 6 + $first, 4) AS source,
     substring(roles, layer * stride * 24 + 7 + $first, 16) AS label
WHERE offset <> '+000'
WITH all_instances, i, layer, label, offset, count(*) AS words, count(DISTINCT source) AS sources
WHERE sources > 1
WITH all_instances, layer, label, count(DISTINCT i) AS instances, sum(words) AS patterns
RETURN layer, replace(label, '.', '') AS role, instances, 1.0 * instances / all_instances AS instance_share, patterns
ORDER BY instances DESC, layer, role LIMIT $limit
