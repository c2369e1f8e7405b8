// measured: two runs of 66,000 patterns a level: 0.4 s by pairing an instance's patterns as compare-runs does, 0.65 s
//   by the common text.
MATCH (:Run {id: $run})-[:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i,
     COLLECT { MATCH (p:Pattern) USING INDEX p:Pattern(id)
               WHERE p.id STARTS WITH $run + '/' + i.id + '/' + left($level, 1) RETURN p } AS patterns,
     COLLECT { MATCH (q:Pattern) USING INDEX q:Pattern(id)
               WHERE q.id STARTS WITH $other + '/' + i.id + '/' + left($level, 1) RETURN q } AS others
UNWIND range(0, size(patterns) - 1) AS k
WITH i, patterns[k] AS p, others, others[k] AS q  // of the same word, unless one run lacks an earlier one
WITH i, p, CASE q.position WHEN p.position THEN q
           ELSE head([other IN others WHERE other.position = p.position]) END AS q
WHERE q IS NOT NULL
WITH i, count(*) AS patterns, count(CASE WHEN p.route = q.route THEN 1 END) AS same_paths
RETURN i.id AS instance, i.name AS name, i.text AS text, patterns, same_paths,
       1.0 * same_paths / patterns AS same_path_share
ORDER BY same_path_share, instance LIMIT $limit
