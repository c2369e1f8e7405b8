// title: Patterns of many instances
// description: Every word's pattern in step order, of the first instances by id.
// parameters: run, level, subtask, condition
//   instances: int 1.. = 10  Instances at most.
// columns:
//   instance: Id of the instance.
//   level: Level of the pattern.
//   position: Position of the word whose pattern it is.
//   token: Its token.
//   word: The word that the token belongs to.
//   role: Its role.
//   sign: 1 where the word's total influence >= 0, else -1.
//   total_influence: g of the word: its integrated gradient.
//   influence: Influence of the whole pattern.
//   step: Number of the step, from 0 (the input).
//   label: Label of the node, such as `h03.07@0012` for layer 3, head 7, position 12.
//   step_influence: Influence of the pattern chosen so far.
//   margin: By how much the choice beat the runner-up; nothing where there was one candidate.
//   runner_up: The runner-up: a position for an embedding, a head for a head or skip (0: the skip); nothing where there
//     was one candidate.
MATCH (r:Run {id: $run})-[:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i ORDER BY i.id LIMIT $instances
MATCH (i)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
MATCH (p)-[t:THROUGH]->(:Node)
RETURN i.id AS instance, p.level AS level, p.position AS position, p.token AS token, p.word AS word,
       p.role AS role, p.sign AS sign, p.total_influence AS total_influence, p.influence AS influence,
       t.step AS step, substring(p.route, t.step * $stride + $first, $stride - 1) AS label,
       t.influence AS step_influence, t.margin AS margin, t.runner_up AS runner_up
ORDER BY instance, position, step
