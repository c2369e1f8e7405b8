// title: Heads ranked by traversal, per role
// description: Which heads carry the patterns of each role's words; within a role the most traversed first.
// parameters: run, attention-level, subtask, condition, role, sign, layer
//   limit: int 1.. = 200  Rows at most.
// columns:
//   role: Role of the word whose pattern it is.
//   layer: Layer of the head, from 1.
//   head: Number of the head in its layer, from 1.
//   patterns: Patterns of the role's words that pass through the head.
//   role_share: Of the role's patterns in scope (each takes one head or skip in each layer).
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH p.role AS role, p.route AS route, count(*) AS patterns
UNWIND range(1, (size(route) + 1) / (2 * $stride)) AS at
WITH role, at, substring(route, (2 * at - 1) * $stride + $first, 6) AS any_step, sum(patterns) AS passing
WHERE $layer IN [0, at]
WITH role, at, collect(any_step) AS steps, collect(passing) AS counts, sum(passing) AS total
UNWIND range(0, size(steps) - 1) AS k
WITH role, steps[k + $first] AS step, counts[k + $first] AS patterns,
     1.0 * counts[k + $first] / total AS role_share
WHERE step STARTS WITH 'h'
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + step + '@0000'})  // the head at position 0 stands for the head
RETURN role, n.layer AS layer, n.head AS head, patterns, role_share
ORDER BY role, patterns DESC, layer, head LIMIT $limit
