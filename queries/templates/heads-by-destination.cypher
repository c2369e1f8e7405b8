// title: Heads ranked by traversal, per role they write to
// description: Which heads bring influence to the positions of each role; within a role the most traversed
//   first.
// parameters: run, attention-level, subtask, condition, role, sign, layer
//   limit: int 1.. = 200  Rows at most.
// columns:
//   destination: Role of the position that the head writes to.
//   layer: Layer of the head, from 1.
//   head: Number of the head in its layer, from 1.
//   patterns: Patterns that pass through the head to such a position.
//   head_share: Of the patterns that pass through the head.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH p.role_route AS route, count(*) AS patterns
UNWIND range(1, (size(route) + 1) / (2 * $role_stride)) AS at
WITH at, substring(route, (2 * at - 1) * $role_stride + $first, $role_stride - 1) AS label, sum(patterns) AS passing
WHERE label STARTS WITH 'h' AND $layer IN [0, at]
WITH left(label, 6) AS step, collect(label) AS labels, collect(passing) AS counts, sum(passing) AS total
UNWIND range(0, size(labels) - 1) AS k
WITH step, substring(labels[k + $first], 7 + $first, $role_stride - 8) AS label, counts[k + $first] AS patterns,
     1.0 * counts[k + $first] / total AS head_share
UNWIND range(1, size(label)) AS place  // the last that holds no dot ends the role: dots fill it up
WITH step, label, patterns, head_share,
     max(CASE WHEN substring(label, place - 1 + $first, 1) <> '.' THEN place ELSE 0 END) AS length
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + step + '@0000'})  // the head at position 0 stands for the head
RETURN left(label, length) AS destination, n.layer AS layer, n.head AS head, patterns, head_share
ORDER BY destination, patterns DESC, layer, head LIMIT $limit
