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
MATCH (r:Run {id: $run})-[m:CONTRIBUTES]->(b:Node)
WHERE $subtask IN ['', m.subtask] AND $condition IN ['', m.condition] AND $layer IN [0, b.layer]
WITH m, b, CASE WHEN b.stack = 2 AND EXISTS { MATCH (a:Node {stack: 1})-[:FLOWS_TO]->(h:Node)-[:FLOWS_TO]->(b) }
                THEN 1 ELSE b.stack END AS reads
UNWIND range(0, size(m.means) - 1) AS source
WITH m.subtask AS subtask, m.condition AS condition, b.layer AS layer, b.stack AS stack, reads, source,
     b.position AS destination, m.means[source + $first] AS mean, m.instances AS instances
WHERE $own OR source <> destination OR reads <> stack
RETURN subtask, condition, layer, stack, reads, source, destination, mean, instances
ORDER BY mean DESC, layer, destination, source, subtask, condition LIMIT $limit
