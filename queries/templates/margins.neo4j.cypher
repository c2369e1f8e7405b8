// measured: 66,000 patterns of 13 nodes: 0.9 s by this text, 1.5 s by the common one; 3,300 patterns of one run among
//   22 runs of the same instances: 0.08 s and 0.43 s, since the common one reads the instances' patterns of all runs.
MATCH (:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (p:Pattern) USING INDEX p:Pattern(id)
WHERE p.id STARTS WITH $run + '/' + i.id + '/' + left($level, 1)
WITH p, abs(e.qoi) AS scale, abs(e.completeness_error) AS error
MATCH (p)-[t:THROUGH]->(n)  // no label: all of these end at a Node, and Neo4j would read each to see it
WHERE t.margin IS NOT NULL
WITH n, count(*) AS steps,  // by node, whose layer is then read once
     CASE WHEN t.margin > scale THEN 1 WHEN t.margin > 0.1 * scale THEN 0 WHEN t.margin > 0.01 * scale THEN -1
          WHEN t.margin > 0.001 * scale THEN -2 WHEN t.margin > 0.0001 * scale THEN -3
          WHEN t.margin > 0.00001 * scale THEN -4 WHEN t.margin > 0.000001 * scale THEN -5 ELSE -6 END AS within,
     CASE WHEN t.margin <= error OR t.margin <= 0.001 * scale THEN 1 ELSE 0 END AS is_close
WITH n.layer AS layer, within, is_close, steps
RETURN layer, sum(steps) AS choices, sum(is_close * steps) AS close,
       sum(CASE WHEN within <= -6 THEN steps ELSE 0 END) AS within_1e_6,
       sum(CASE WHEN within <= -5 THEN steps ELSE 0 END) AS within_1e_5,
       sum(CASE WHEN within <= -4 THEN steps ELSE 0 END) AS within_1e_4,
       sum(CASE WHEN within <= -3 THEN steps ELSE 0 END) AS within_1e_3,
       sum(CASE WHEN within <= -2 THEN steps ELSE 0 END) AS within_1e_2,
       sum(CASE WHEN within <= -1 THEN steps ELSE 0 END) AS within_1e_1,
       sum(CASE WHEN within <= 0 THEN steps ELSE 0 END) AS within_1
ORDER BY layer
