// title: Layers that hold the minimum cut
// description: Which layer bounds a token's flow: the one that holds most of its minimum cut. Only a run of flow
//   has it.
// parameters: run, subtask, condition
// columns:
//   layer: Layer, from 1.
//   tokens: Tokens whose minimum cut lies there.
//   token_share: Of all tokens that have a cut.
//   instances: Instances with such a token.
MATCH (r:Run {id: $run})-[e:ATTRIBUTES]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i.id AS instance, coalesce(e.cut_layers, []) AS layers
WHERE size(layers) > 0
UNWIND layers AS layer
WITH instance, layer
WHERE layer > 0
WITH layer, count(*) AS tokens, count(DISTINCT instance) AS instances
WITH sum(tokens) AS total, collect({layer: layer, tokens: tokens, instances: instances}) AS groups
UNWIND groups AS g
RETURN g.layer AS layer, g.tokens AS tokens, 1.0 * g.tokens / total AS token_share, g.instances AS instances
ORDER BY layer
