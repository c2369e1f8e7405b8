// title: How close the choices were, per layer
// description: For every layer, how many choices of a node beat the runner-up by no more than a given part of
//   the |quantity of interest|. Steps with one candidate have no margin and are not counted.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   level: level = finest  `attention` or `embedding`; `finest` is attention where the run has it.
//   subtask: string = ""  Only instances of this subtask; all where empty.
//   condition: string = ""  Only instances of this condition; all where empty.
// columns:
//   layer: Layer, from 1.
//   choices: Steps with more than one candidate.
//   within_1e_6: Those whose margin is at most 10^-6 |qoi|.
//   within_1e_5: At most 10^-5 |qoi|.
//   within_1e_4: At most 10^-4 |qoi|.
//   within_1e_3: At most 10^-3 |qoi|.
//   within_1e_2: At most 10^-2 |qoi|.
//   within_1e_1: At most 10^-1 |qoi|.
//   within_1: At most |qoi|.
MATCH (r:Run {id: $run})-[e:EVALUATED]->(i:Instance)
WHERE ($subtask = '' OR i.subtask = $subtask) AND ($condition = '' OR i.condition = $condition)
MATCH (i)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
MATCH (p)-[t:THROUGH]->(n:Node)
WHERE t.margin IS NOT NULL
WITH n.layer AS layer, t.margin AS margin, abs(e.qoi) AS scale
RETURN layer, count(*) AS choices,
       count(CASE WHEN margin <= 0.000001 * scale THEN 1 END) AS within_1e_6,
       count(CASE WHEN margin <= 0.00001 * scale THEN 1 END) AS within_1e_5,
       count(CASE WHEN margin <= 0.0001 * scale THEN 1 END) AS within_1e_4,
       count(CASE WHEN margin <= 0.001 * scale THEN 1 END) AS within_1e_3,
       count(CASE WHEN margin <= 0.01 * scale THEN 1 END) AS within_1e_2,
       count(CASE WHEN margin <= 0.1 * scale THEN 1 END) AS within_1e_1,
       count(CASE WHEN margin <= scale THEN 1 END) AS within_1
ORDER BY layer
