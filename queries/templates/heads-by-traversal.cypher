// title: Heads ranked by traversal
// description: How many patterns pass through each attention head, at any position; the most traversed
//   heads first.
// parameters: run, attention-level, subtask, condition, role, sign, layer, limit
// columns:
//   layer: Layer of the head, from 1.
//   head: Number of the head in its layer, from 1.
//   patterns: Patterns that pass through the head.
//   pattern_share: Of all patterns in scope (a pattern takes one head or skip in each layer).
//   instances: Instances with such a pattern.
//   instance_share: Of the instances that have a pattern in scope.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH i, collect(p.route) AS routes
WITH collect(routes) AS found, sum(size(routes)) AS all_patterns
UNWIND range(0, size(found) - 1) AS number  // of an instance: integers are the fastest to count
WITH size(found) AS all_instances, all_patterns, number, found[number + $first] AS routes
UNWIND routes AS route
WITH route, max(all_instances) AS all_instances, max(all_patterns) AS all_patterns, collect(number) AS numbers
UNWIND range(1, (size(route) + 1) / (2 * $stride)) AS at
WITH all_instances, all_patterns, numbers, at, substring(route, (2 * at - 1) * $stride + $first, 6) AS step
WHERE step STARTS WITH 'h' AND $layer IN [0, at]
UNWIND numbers AS number
WITH step, max(all_instances) AS all_instances, max(all_patterns) AS all_patterns,
     count(*) AS patterns, count(DISTINCT number) AS instances
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + step + '@0000'})  // the head at position 0 stands for the head
RETURN n.layer AS layer, n.head AS head, patterns, 1.0 * patterns / all_patterns AS pattern_share,
       instances, 1.0 * instances / all_instances AS instance_share
ORDER BY patterns DESC, layer, head LIMIT $limit
