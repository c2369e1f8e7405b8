// title: Shared subpaths
// description: Which sequences of k nodes the patterns of most instances hold, with each node named by its absolute
//   position, by the role of its position, or by its position relative to the target.
// parameters: run, level, subtask, condition, role, sign, limit
//   k: int 2.. = 3  Nodes in a subpath.
//   by: string position|role|target = position  What names the place of a node.
// columns:
//   subpath: The labels of k consecutive nodes. x: input, e: embedding, h: head, s: skip; layer 3, head 7 at
//     position 12 is `h03.07@0012`, two positions before the target `h03.07-0002`, at the subject
//     `h03.07:subject.........` (padded with dots to one width).
//   instances: Instances with a pattern that holds the subpath.
//   instance_share: Of the instances that have a pattern in scope.
//   patterns: Patterns that hold the subpath.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH i, collect(CASE $by WHEN 'role' THEN p.role_route WHEN 'target' THEN p.target_route ELSE p.route END) AS routes
WITH collect(routes) AS found  // an instance is its number in this list: integers are the fastest to count
UNWIND range(0, size(found) - 1) AS number
WITH size(found) AS all_instances, number, found[number + $first] AS routes
UNWIND routes AS route
WITH route, max(all_instances) AS all_instances, collect(number) AS numbers,  // many patterns share a route
     1 * CASE $by WHEN 'role' THEN $role_stride ELSE $stride END AS width  // not 8 bits
UNWIND range(0, (size(route) + 1) / width - $k) AS start
WITH all_instances, numbers, substring(route, start * width + $first, $k * width - 1) AS subpath
UNWIND numbers AS number
WITH subpath, max(all_instances) AS all_instances, count(DISTINCT number) AS instances, count(*) AS patterns
RETURN subpath, instances, 1.0 * instances / all_instances AS instance_share, patterns
ORDER BY instances DESC, subpath LIMIT $limit
