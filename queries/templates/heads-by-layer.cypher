// title: Heads of each layer ranked by traversal
// description: How the patterns that pass through a head spread over each layer's heads.
// parameters: run, attention-level, subtask, condition, role, sign, layer
// columns:
//   layer: Layer of the head, from 1.
//   head: Number of the head in its layer, from 1.
//   patterns: Patterns that pass through the head.
//   layer_share: Of the patterns that pass through any head in the layer (skips not counted).
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
UNWIND range(1, (size(p.route) + 1) / (2 * $stride)) AS at
WITH at, substring(p.route, (2 * at - 1) * $stride + $first, 6) AS step
WHERE step STARTS WITH 'h'
WITH at, step, count(*) AS patterns
WHERE $layer IN [0, at]
WITH at, collect(step) AS steps, collect(patterns) AS counts, sum(patterns) AS total
UNWIND range(0, size(steps) - 1) AS k
WITH steps[k + $first] AS step, counts[k + $first] AS patterns, 1.0 * counts[k + $first] / total AS layer_share
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + step + '@0000'})  // the head at position 0 stands for the head
RETURN n.layer AS layer, n.head AS head, patterns, layer_share
ORDER BY layer, patterns DESC, head
