// title: How close the choices were, per layer
// description: For every layer, how many choices of a node beat the runner-up by no more than a given part of
//   the |quantity of interest|. Steps with one candidate have no margin and are not counted.
// parameters: run, level, subtask, condition
// columns:
//   layer: Layer, from 1.
//   choices: Steps with more than one candidate.
//   close: Those whose margin is at most 10^-3 |qoi| or the instance's completeness error: the choice could be
//     another one with more points.
//   within_1e_6: Those whose margin is at most 10^-6 |qoi|.
//   within_1e_5: At most 10^-5 |qoi|.
//   within_1e_4: At most 10^-4 |qoi|.
//   within_1e_3: At most 10^-3 |qoi|.
//   within_1e_2: At most 10^-2 |qoi|.
//   within_1e_1: At most 10^-1 |qoi|.
//   within_1: At most |qoi|.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i, abs(e.qoi) AS scale, abs(e.completeness_error) AS error
MATCH (i)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
MATCH (p)-[t:THROUGH]->()  // no label: all of these end at a Node, and Neo4j would read each to see it
WHERE t.margin IS NOT NULL
WITH t.step AS step, count(*) AS steps,
     CASE WHEN t.margin > scale THEN 1 WHEN t.margin > 0.1 * scale THEN 0 WHEN t.margin > 0.01 * scale THEN -1
          WHEN t.margin > 0.001 * scale THEN -2 WHEN t.margin > 0.0001 * scale THEN -3
          WHEN t.margin > 0.00001 * scale THEN -4 WHEN t.margin > 0.000001 * scale THEN -5 ELSE -6 END AS within,
     CASE WHEN t.margin <= error OR t.margin <= 0.001 * scale THEN 1 ELSE 0 END AS is_close
WITH CASE WHEN $level = 'attention' THEN (step + 1) / 2 ELSE step END AS layer, within, is_close, steps
RETURN layer, sum(steps) AS choices, sum(is_close * steps) AS close,
       sum(CASE WHEN within <= -6 THEN steps ELSE 0 END) AS within_1e_6,
       sum(CASE WHEN within <= -5 THEN steps ELSE 0 END) AS within_1e_5,
       sum(CASE WHEN within <= -4 THEN steps ELSE 0 END) AS within_1e_4,
       sum(CASE WHEN within <= -3 THEN steps ELSE 0 END) AS within_1e_3,
       sum(CASE WHEN within <= -2 THEN steps ELSE 0 END) AS within_1e_2,
       sum(CASE WHEN within <= -1 THEN steps ELSE 0 END) AS within_1e_1,
       sum(CASE WHEN within <= 0 THEN steps ELSE 0 END) AS within_1
ORDER BY layer
