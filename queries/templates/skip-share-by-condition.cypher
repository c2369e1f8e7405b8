// title: Skip versus head share, per condition
// description: How often the patterns take the skip connection rather than an attention head in each
//   subtask and condition.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   level: level attention = attention  Heads and skips exist at attention level only.
//   subtask: subtask = ""  Only instances of this subtask; all where empty.
//   condition: condition = ""  Only instances of this condition; all where empty.
//   role: role = ""  Only patterns of words in this role; all where empty.
//   sign: int -1|0|1 = 0  1: patterns of words with total influence >= 0 (Pi_+); -1: the others (Pi_-); 0:
//     both.
// columns:
//   subtask: Subtask of the instances.
//   condition: Condition of the instances.
//   skips: Steps through a skip connection.
//   heads: Steps through an attention head.
//   skip_share: skips / (skips + heads): of all choices between a skip and a head in the condition;
//     embeddings are not counted.
//   staying_heads: Steps through a head that stay at their position, where a skip was possible.
//   skip_share_staying: skips / (skips + staying_heads): of the steps that stay at their position.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH i.subtask AS subtask, i.condition AS condition, p.route AS route, count(*) AS patterns
UNWIND range(1, (size(route) + 1) / 22) AS layer
WITH subtask, condition, patterns, substring(route, layer * 24 - 12 + $first, 1) AS kind,
     substring(route, layer * 24 - 17 + $first, 4) AS source,
     substring(route, layer * 24 - 5 + $first, 4) AS destination
WITH subtask, condition, sum(CASE WHEN kind = 's' THEN patterns ELSE 0 END) AS skips,
     sum(CASE WHEN kind = 'h' THEN patterns ELSE 0 END) AS heads,
     sum(CASE WHEN kind = 'h' AND source = destination THEN patterns ELSE 0 END) AS staying
WITH subtask, condition, skips, heads, staying, skips + heads AS steps, skips + staying AS stays
WHERE steps > 0
RETURN subtask, condition, skips, heads, 1.0 * skips / steps AS skip_share, staying AS staying_heads,
       CASE WHEN stays > 0 THEN 1.0 * skips / stays END AS skip_share_staying
ORDER BY subtask, condition
