// title: Edges that carry most
// description: The largest entries of the mean layer matrices: what a position takes from a position of the layer
//   below. Of each subtask's condition they are means over the sentences of its most frequent structure.
// parameters: run, subtask, condition, layer, limit
//   own: bool = false  Whether what a position takes from itself counts too.
// columns:
//   subtask: Subtask of the sentences.
//   condition: Their condition.
//   layer: Layer, from 1.
//   stack: 2 where the layer is of an encoder-decoder's decoder, else 1.
//   reads: Stack of the source: 1 where a decoder's layer attends to the encoder.
//   source: Position that is read.
//   destination: Position that reads it.
//   mean: Mean entry: of row `destination`, the share of `source` where the method's rows sum to 1.
//   instances: Sentences behind the mean.
MATCH (a:Node)-[e:CONTRIBUTES {run: $run}]->(b:Node)
WHERE $subtask IN ['', e.subtask] AND $condition IN ['', e.condition] AND $layer IN [0, b.layer]
  AND ($own OR a.position <> b.position OR a.stack <> b.stack)
RETURN e.subtask AS subtask, e.condition AS condition, b.layer AS layer, b.stack AS stack, a.stack AS reads,
       a.position AS source, b.position AS destination, e.mean AS mean, e.instances AS instances
ORDER BY mean DESC, layer, destination, source, subtask, condition LIMIT $limit
