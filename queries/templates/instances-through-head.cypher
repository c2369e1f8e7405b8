// title: Instances whose role passes through a head
// description: The instances in which a word of the given role has its pattern pass through the given head.
// parameters: run, attention-level, subtask, condition, sign
//   role: role  Role of the word whose pattern it is.
//   layer: layer 1..  Layer of the head, from 1.
//   head: head 1..  Number of the head, from 1.
//   limit: int 1.. = 100  Rows at most.
// columns:
//   instance: Id of the instance.
//   name: The row's own name in its dataset.
//   subtask: Its subtask.
//   condition: Its condition.
//   text: Its sentence.
//   word: The word.
//   position: The word's position.
//   destination: Position that the head writes to.
//   sign: 1 where the word's total influence >= 0, else -1.
//   influence: The influence of the pattern up to the head.
MATCH (r:Run {id: $run})
MATCH (n:Node {model: r.model, kind: 'head', layer: $layer, head: $head})
MATCH (n)<-[t:THROUGH]-(p:Pattern {run: $run, level: $level, role: $role})
WHERE $sign IN [0, p.sign]
MATCH (i:Instance)-[:HAS_PATTERN]->(p)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
RETURN i.id AS instance, i.name AS name, i.subtask AS subtask, i.condition AS condition, i.text AS text,
       p.word AS word, p.position AS position, n.position AS destination, p.sign AS sign, t.influence AS influence
ORDER BY instance, position LIMIT $limit
