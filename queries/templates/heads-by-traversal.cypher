// title: Heads ranked by traversal or influence
// description: How many patterns pass through each attention head, at any position, and how much influence
//   they carry; the most traversed or influential heads first.
// parameters: run, attention-level, subtask, condition, role, sign, layer, limit
//   rank: string count|influence = count  What comes first: the most patterns, or the most influence.
// columns:
//   layer: Layer of the head, from 1.
//   head: Number of the head in its layer, from 1.
//   patterns: Patterns that pass through the head.
//   pattern_share: Of all patterns in scope (a pattern takes one head or skip in each layer).
//   instances: Instances with such a pattern.
//   instance_share: Of the instances that have a pattern in scope.
//   influence: Sum of |influence| of these patterns in an instance, averaged over all instances that have a
//     pattern in scope (one without such a pattern counts 0).
//   influence_share: The same of each instance's sum over all of its patterns in scope.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH i, sum(abs(p.influence)) AS whole, collect(p.route) AS routes,
     collect(abs(p.influence)) AS weights
WITH collect(whole) AS wholes, collect(routes) AS found, collect(weights) AS found_weights,
     sum(size(routes)) AS all_patterns
UNWIND range(0, size(found) - 1) AS number  // of an instance: integers are the fastest to count
WITH size(found) AS all_instances, all_patterns, number, wholes[number + $first] AS whole,
     found[number + $first] AS routes, found_weights[number + $first] AS weights
UNWIND range(0, size(routes) - 1) AS k
WITH all_instances, all_patterns, number, routes[k + $first] AS route, weights[k + $first] AS weight,
     CASE WHEN whole > 0 THEN weights[k + $first] / whole ELSE 0.0 END AS part
// Many patterns share a route: each counts with the mean weight of those that do.
WITH route, max(all_instances) AS all_instances, max(all_patterns) AS all_patterns, collect(number) AS numbers,
     avg(weight) AS weight, avg(part) AS part
UNWIND range(1, (size(route) + 1) / (2 * $stride)) AS at
WITH all_instances, all_patterns, numbers, weight, part, at,
     substring(route, (2 * at - 1) * $stride + $first, 6) AS step
WHERE step STARTS WITH 'h' AND $layer IN [0, at]
UNWIND numbers AS number
WITH step, max(all_instances) AS all_instances, max(all_patterns) AS all_patterns,
     count(*) AS patterns, count(DISTINCT number) AS instances, sum(weight) AS weight, sum(part) AS part
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + step + '@0000'})  // the head at position 0 stands for the head
RETURN n.layer AS layer, n.head AS head, patterns, 1.0 * patterns / all_patterns AS pattern_share,
       instances, 1.0 * instances / all_instances AS instance_share, weight / all_instances AS influence,
       part / all_instances AS influence_share
ORDER BY CASE $rank WHEN 'influence' THEN floor(1000000000 * influence) ELSE 1.0 * patterns END DESC,
         layer, head LIMIT $limit
