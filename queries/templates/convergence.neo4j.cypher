// measured: 66,000 patterns of 13 nodes: 0.5 s by this text, 1.1 s by the common one, which reads a second text of
//   each.
MATCH (:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (p:Pattern) USING INDEX p:Pattern(id)
WHERE p.id STARTS WITH $run + '/' + i.id + '/' + left($level, 1) AND $sign IN [0, p.sign]
WITH i, e.roles AS roles, e.target AS target, collect(p.target_route) AS routes
WITH collect(routes) AS found, collect(roles) AS found_roles, collect(target) AS targets
UNWIND range(0, size(found) - 1) AS number  // of an instance: integers are the fastest to count
WITH size(found) AS all_instances, number, found[number] AS routes, found_roles[number] AS roles,
     targets[number] AS target
UNWIND routes AS route
WITH route, roles, target, max(all_instances) AS all_instances, collect(number) AS numbers,
     max(CASE WHEN $level = 'attention' THEN 2 ELSE 1 END) AS per_layer
UNWIND range(1, ((size(route) + 1) / $stride - 1) / per_layer) AS layer
WITH all_instances, numbers, roles, target, layer,
     substring(route, layer * per_layer * $stride + 6, $stride - 7) AS offset,
     substring(route, (layer - 1) * per_layer * $stride + 6, $stride - 7) AS source
WHERE offset <> '+0000'
WITH layer, offset, roles[target + toInteger(offset)] AS role, max(all_instances) AS all_instances,
     collect(source) AS sources, collect(numbers) AS found
CALL (sources, found) {  // a place at a time, so that what is counted is named by its number alone
  UNWIND range(0, size(found) - 1) AS k
  WITH sources[k] AS source, found[k] AS numbers
  UNWIND numbers AS number
  WITH number, count(*) AS words, min(source) AS least, max(source) AS most
  WHERE least <> most
  RETURN number, words
}
WITH layer, role, max(all_instances) AS all_instances, count(DISTINCT number) AS instances, sum(words) AS patterns
RETURN layer, role, instances, all_instances AS total, 1.0 * instances / all_instances AS instance_share, patterns
ORDER BY instances DESC, layer, role LIMIT $limit
