// title: Patterns of one instance
// description: Every word's pattern in one instance, node by node in step order.
// parameters: run, level, instance
// columns:
//   level: Level of the pattern.
//   position: Position of the word whose pattern it is.
//   token: Its token.
//   word: The word that the token belongs to.
//   role: Its role.
//   sign: 1 where the word's total influence >= 0, else -1.
//   total_influence: g of the word: its integrated gradient.
//   influence: Influence of the whole pattern.
//   product: Product of the layer matrices' entries along the path; nothing where the method has none.
//   step: Number of the step, from 0 (the input).
//   label: Label of the node, such as `h03.07@0012` for layer 3, head 7, position 12.
//   kind: input, embedding, head or skip.
//   layer: Layer of the node, from 1; 0 for the input.
//   head: Number of the head, from 1; 0 where there is none.
//   node_position: Position of the node.
//   step_influence: Influence of the pattern chosen so far.
//   margin: By how much the choice beat the runner-up; nothing where there was one candidate.
//   runner_up: The runner-up: a position for an embedding, a head for a head or skip (0: the skip); nothing where there
//     was one candidate.
MATCH (i:Instance {id: $instance})-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
MATCH (p)-[t:THROUGH]->(n:Node)
RETURN p.level AS level, p.position AS position, p.token AS token, p.word AS word, p.role AS role, p.sign AS sign,
       p.total_influence AS total_influence, p.influence AS influence, p.product AS product, t.step AS step,
       n.label AS label, n.kind AS kind, n.layer AS layer, n.head AS head, n.position AS node_position,
       t.influence AS step_influence, t.margin AS margin, t.runner_up AS runner_up
ORDER BY position, step
