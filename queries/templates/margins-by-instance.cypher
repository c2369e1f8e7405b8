// title: How close each instance's choices were, per layer
// description: For every instance and layer, how many choices of a node beat the runner-up by no more than a
//   given part of the |quantity of interest|: what intervals over instances are computed from.
// parameters: run, level, subtask, condition
//   limit: int 1.. = 1000  Rows at most.
// columns:
//   instance: Id of the instance.
//   layer: Layer, from 1.
//   choices: Steps with more than one candidate.
//   close: Those whose margin is at most 10^-3 |qoi| or the instance's completeness error: the choice could be
//     another one with more points.
//   within_1e_5: Those whose margin is at most 10^-5 |qoi|.
//   within_1e_4: At most 10^-4 |qoi|.
//   within_1e_3: At most 10^-3 |qoi|.
//   within_1e_2: At most 10^-2 |qoi|.
//   within_1e_1: At most 10^-1 |qoi|.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i, abs(e.qoi) AS scale, abs(e.completeness_error) AS error
MATCH (i)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
MATCH (p)-[t:THROUGH]->()  // no label: all of these end at a Node, and Neo4j would read each to see it
WHERE t.margin IS NOT NULL
WITH i.id AS instance, CASE WHEN $level = 'attention' THEN (t.step + 1) / 2 ELSE t.step END AS layer,
     t.margin AS margin, scale, error
RETURN instance, layer, count(*) AS choices,
       count(CASE WHEN margin <= error OR margin <= 0.001 * scale THEN 1 END) AS close,
       count(CASE WHEN margin <= 0.00001 * scale THEN 1 END) AS within_1e_5,
       count(CASE WHEN margin <= 0.0001 * scale THEN 1 END) AS within_1e_4,
       count(CASE WHEN margin <= 0.001 * scale THEN 1 END) AS within_1e_3,
       count(CASE WHEN margin <= 0.01 * scale THEN 1 END) AS within_1e_2,
       count(CASE WHEN margin <= 0.1 * scale THEN 1 END) AS within_1e_1
ORDER BY instance, layer LIMIT $limit
