// measured: two runs of 66,000 patterns a level: 1.0 s by looking each other pattern up by its id, 1.4 s by a join of
//   the instances' patterns, 1.5 s by the common text's scan of both.
MATCH (:Run {id: $run})-[:EVALUATED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (p:Pattern) USING INDEX p:Pattern(id)
WHERE p.id STARTS WITH $run + '/' + i.id + '/' + left($level, 1)
MATCH (q:Pattern {id: $other + substring(p.id, size($run))})
WITH i.subtask AS subtask, p.role AS role, count(*) AS patterns,
     count(CASE WHEN p.route = q.route THEN 1 END) AS same_paths,
     count(CASE WHEN p.sign = q.sign THEN 1 END) AS same_signs,
     avg(p.influence) AS mean_influence, avg(q.influence) AS other_mean_influence
RETURN subtask, role, patterns, same_paths, 1.0 * same_paths / patterns AS same_path_share,
       1.0 * same_signs / patterns AS same_sign_share, mean_influence, other_mean_influence
ORDER BY subtask, role
