// title: Skips and heads of each instance, per layer
// description: How many of an instance's patterns take the skip connection, and how many a head, in each
//   layer: what a resampling over instances needs.
// parameters: run, attention-level, subtask, condition
//   limit: int 1.. = 1000  Rows at most.
// columns:
//   instance: Id of the instance.
//   subtask: Its subtask.
//   condition: Its condition.
//   layer: Layer, from 1.
//   skips: Steps through a skip connection.
//   heads: Steps through an attention head.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i, p.route AS route
UNWIND range(1, (size(route) + 1) / (2 * $stride)) AS layer
WITH i, layer, substring(route, (2 * layer - 1) * $stride + $first, 1) AS kind
WITH i, layer, count(CASE WHEN kind = 's' THEN 1 END) AS skips, count(CASE WHEN kind = 'h' THEN 1 END) AS heads
RETURN i.id AS instance, i.subtask AS subtask, i.condition AS condition, layer, skips, heads
ORDER BY instance, layer LIMIT $limit
