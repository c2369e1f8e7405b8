// title: Where words converge before the target
// description: At which layer and role the patterns of several words, coming from different positions, meet
//   before they reach the target's position.
// parameters: run, level, subtask, condition, sign, limit
// columns:
//   layer: Layer of the embedding in which they meet, from 1.
//   role: Role of its position.
//   instances: Instances in which patterns from at least two positions enter such an embedding.
//   total: Instances that have a pattern in scope.
//   instance_share: instances / total.
//   patterns: Patterns that meet there.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition] AND $sign IN [0, p.sign]
WITH i, collect(p.target_route) AS routes, collect(p.role_route) AS role_routes
WITH collect(routes) AS found, collect(role_routes) AS found_roles
UNWIND range(0, size(found) - 1) AS number  // of an instance: integers are the fastest to count
WITH size(found) AS all_instances, number, found[number + $first] AS routes,
     found_roles[number + $first] AS role_routes
UNWIND range(0, size(routes) - 1) AS k
WITH all_instances, number, routes[k + $first] AS route, role_routes[k + $first] AS role_route
WITH route, role_route, max(all_instances) AS all_instances, collect(number) AS numbers,
     max(CASE WHEN $level = 'attention' THEN 2 ELSE 1 END) AS per_layer
UNWIND range(1, ((size(route) + 1) / $stride - 1) / per_layer) AS layer
WITH all_instances, numbers, layer, substring(route, layer * per_layer * $stride + 6 + $first, $stride - 7) AS offset,
     substring(route, (layer - 1) * per_layer * $stride + 6 + $first, $stride - 7) AS source,
     substring(role_route, layer * per_layer * $role_stride + 7 + $first, $role_stride - 8) AS label
WHERE offset <> '+0000'
UNWIND numbers AS number
WITH number, layer, offset, label, max(all_instances) AS all_instances, count(*) AS words,
     min(source) AS least, max(source) AS most
WHERE least <> most
WITH layer, label, max(all_instances) AS all_instances, count(DISTINCT number) AS instances, sum(words) AS patterns
UNWIND range(1, size(label)) AS place  // the last that holds no dot ends the role: dots fill it up
WITH layer, label, all_instances, instances, patterns,
     max(CASE WHEN substring(label, place - 1 + $first, 1) <> '.' THEN place ELSE 0 END) AS length
RETURN layer, left(label, length) AS role, instances, all_instances AS total,
       1.0 * instances / all_instances AS instance_share, patterns
ORDER BY instances DESC, layer, role LIMIT $limit
