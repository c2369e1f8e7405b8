// title: Patterns and their routes
// description: Every pattern in scope with its instance, its influence and its nodes in one text: what
//   intervals over instances are computed from.
// parameters: run, level, subtask, condition, role, sign
//   by: string position|role|target = position  What names the place of a node.
//   limit: int 1.. = 1000  Rows at most.
// columns:
//   instance: Id of the instance.
//   subtask: Its subtask.
//   condition: Its condition.
//   position: Position of the word whose pattern it is.
//   role: Role of the word.
//   sign: 1 where the word's total influence >= 0, else -1.
//   word: The word.
//   word_index: Number of the word in the text, from 0; -1 for special tokens.
//   total_influence: g of the word.
//   influence: Influence of the pattern.
//   route: The labels of its nodes, as in `shared-subpaths`.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
RETURN i.id AS instance, i.subtask AS subtask, i.condition AS condition, p.position AS position, p.role AS role,
       p.sign AS sign, p.word AS word, p.word_index AS word_index, p.total_influence AS total_influence,
       p.influence AS influence,
       CASE $by WHEN 'role' THEN p.role_route WHEN 'target' THEN p.target_route ELSE p.route END AS route
ORDER BY instance, position LIMIT $limit
