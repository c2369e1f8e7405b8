// title: Close choices, per layer
// description: How many choices of a node were close: the runner-up's influence almost as large as the best
//   one's.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   level: level = finest  `attention` or `embedding`; `finest` is attention where the run has it.
//   subtask: string = ""  Only instances of this subtask; all where empty.
//   condition: string = ""  Only instances of this condition; all where empty.
//   within: float 0.. = 0.01  Close: a margin of at most this share of |influence of the step|.
// columns:
//   layer: Layer, from 1.
//   choices: Steps with more than one candidate.
//   close: Those whose margin is at most `within` of the step's influence.
//   close_share: close / choices.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE ($subtask = '' OR i.subtask = $subtask) AND ($condition = '' OR i.condition = $condition)
MATCH (p)-[t:THROUGH]->(n:Node)
WHERE t.margin IS NOT NULL
WITH n.layer AS layer, count(*) AS choices,
     count(CASE WHEN t.margin <= $within * abs(t.influence) THEN 1 END) AS close
RETURN layer, choices, close, 1.0 * close / choices AS close_share
ORDER BY layer
