// measured: 66,000 patterns of 13 nodes, beside a second run of the same instances: 0.7 s by this text, 0.85 s by the
//   common one, which reads the patterns of both.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND (size($roles) = 0 OR e.roles = $roles)
MATCH (p:Pattern) USING INDEX p:Pattern(id)
WHERE p.id STARTS WITH $run + '/' + i.id + '/' + left($level, 1)
  AND $role IN ['', p.role] AND $sign IN [0, p.sign] AND $position IN [-1, p.position]
WITH i, collect(p.route) AS routes
WITH collect(routes) AS found  // an instance is its number in this list: integers are the fastest to count
UNWIND range(0, size(found) - 1) AS number
WITH size(found) AS all_instances, number, found[number] AS routes
UNWIND routes AS route
WITH route, max(all_instances) AS all_instances, collect(number) AS numbers  // many patterns share a route
UNWIND range(0, (size(route) + 1) / $stride - 1) AS step
WITH all_instances, numbers, substring(route, step * $stride, $stride - 1) AS label
UNWIND numbers AS number
WITH label, max(all_instances) AS total, count(DISTINCT number) AS instances
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + label})
RETURN n.label AS node, n.kind AS kind, n.layer AS layer, n.head AS head, n.position AS position, instances, total,
       1.0 * instances / total AS probability
ORDER BY instances DESC, node
