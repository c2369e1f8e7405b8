// title: Mixing by layer
// description: How much of a position's state after each layer is not its own token's, as the run's method has
//   it; mean over positions, then over instances.
// parameters: run, subtask, condition
// columns:
//   layer: Layer, from 1.
//   mean_mixing: Mean of 1 - the own token's share.
//   instances: Instances behind it.
MATCH (r:Run {id: $run})-[e:ATTRIBUTES]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH coalesce(e.mixing, []) AS layers
WHERE size(layers) > 0
UNWIND range(0, size(layers) - 1) AS k
RETURN k + 1 AS layer, avg(layers[k + $first]) AS mean_mixing, count(*) AS instances
ORDER BY layer
