// title: Words of one instance that converge before the target
// description: The words of one instance whose patterns, coming from at least two positions, enter the same
//   embedding at a position other than the target's.
// parameters: run, level, instance
// columns:
//   node: Label of the embedding in which they meet, such as `e03.--@0012`.
//   layer: Its layer, from 1.
//   node_position: Its position.
//   node_token: The token at that position.
//   position: Position of a word whose pattern enters it.
//   token: Its token.
//   role: Its role.
//   sign: 1 where the word's total influence >= 0, else -1.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance {id: $instance})
MATCH (i)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WITH e.target AS target, e.tokens AS tokens, p, CASE WHEN $level = 'attention' THEN 2 ELSE 1 END AS per_layer
UNWIND range(1, (size(p.path) - 1) / per_layer) AS layer
WITH target, tokens, p.path[layer * per_layer + $first] AS id, collect(p) AS patterns,
     count(DISTINCT p.path[(layer - 1) * per_layer + $first]) AS sources
WHERE sources > 1
MATCH (n:Node {id: id})
WHERE n.position <> target
UNWIND patterns AS p
RETURN n.label AS node, n.layer AS layer, n.position AS node_position, tokens[n.position + $first] AS node_token,
       p.position AS position, p.token AS token, p.role AS role, p.sign AS sign
ORDER BY layer, node_position, position
