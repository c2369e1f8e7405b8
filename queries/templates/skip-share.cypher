// title: Skip versus head share
// description: How often the patterns take the skip connection rather than an attention head: over all steps, or
//   per layer, role of the word, subtask or condition.
// parameters: run, attention-level, subtask, condition, role, sign
//   by: string all|layer|role|subtask|condition = all  What the steps are grouped by.
// columns:
//   subtask: Subtask of the instances; empty unless grouped by subtask or condition.
//   condition: Condition of the instances; empty unless grouped by it.
//   role: Role of the word whose pattern it is; empty unless grouped by it.
//   layer: Layer, from 1; 0 unless grouped by it.
//   skips: Steps through a skip connection.
//   heads: Steps through an attention head.
//   skip_share: skips / (skips + heads): of all choices between a skip and a head in the group; embeddings are
//     not counted.
//   staying_heads: Steps through a head that stay at their position, where a skip was possible.
//   skip_share_staying: skips / (skips + staying_heads): of the steps that stay at their position.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH CASE WHEN $by IN ['subtask', 'condition'] THEN i.subtask ELSE '' END AS subtask,
     CASE WHEN $by = 'condition' THEN i.condition ELSE '' END AS condition,
     CASE WHEN $by = 'role' THEN p.role ELSE '' END AS role, p.route AS route, count(*) AS patterns
UNWIND range(1, (size(route) + 1) / (2 * $stride)) AS at
WITH subtask, condition, role, CASE WHEN $by = 'layer' THEN at ELSE 0 END AS layer, patterns,
     substring(route, (2 * at - 1) * $stride + $first, 1) AS kind,
     substring(route, (2 * at - 2) * $stride + 6 + $first, $stride - 7) AS source,
     substring(route, (2 * at - 1) * $stride + 6 + $first, $stride - 7) AS destination
WITH subtask, condition, role, layer, sum(CASE WHEN kind = 's' THEN patterns ELSE 0 END) AS skips,
     sum(CASE WHEN kind = 'h' THEN patterns ELSE 0 END) AS heads,
     sum(CASE WHEN kind = 'h' AND source = destination THEN patterns ELSE 0 END) AS staying
WITH subtask, condition, role, layer, skips, heads, staying, skips + heads AS steps, skips + staying AS stays
WHERE steps > 0
RETURN subtask, condition, role, layer, skips, heads, 1.0 * skips / steps AS skip_share, staying AS staying_heads,
       CASE WHEN stays > 0 THEN 1.0 * skips / stays END AS skip_share_staying
ORDER BY subtask, condition, role, layer
