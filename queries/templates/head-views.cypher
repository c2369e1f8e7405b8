// title: Heads whose local and global views differ most
// description: How a head's attention over the layer before it (local) differs from what its output takes from
//   each token (global), and where the mass of both lies; means over positions, then over instances.
// parameters: run, subtask, condition, layer, limit
// columns:
//   layer: Layer of the head, from 1.
//   head: Number of the head in its layer, from 1.
//   instances: Instances behind the means.
//   mean_divergence: Mean Jensen-Shannon divergence of the two views, in bits.
//   mean_correlation: Mean Spearman correlation of the two views; 0 where it is not defined.
//   local_previous: Mean mass of the local view on the token before its own.
//   global_previous: The same of the global view.
//   local_same: Mean mass of the local view on its own token.
//   global_same: The same of the global view.
//   local_next: Mean mass of the local view on the token after its own.
//   global_next: The same of the global view.
//   local_first: Mean mass of the local view on the first token.
//   global_first: The same of the global view.
//   local_last: Mean mass of the local view on the last token.
//   global_last: The same of the global view.
MATCH (r:Run {id: $run})-[e:VIEWS]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
UNWIND range(0, size(e.divergences) - 1) AS k
WITH k, k / r.heads + 1 AS layer, k % r.heads + 1 AS head, e.divergences[k + $first] AS divergence,
     e.correlations[k + $first] AS correlation, 5 * k + $first AS at, e.local_masses AS near, e.global_masses AS far
WHERE $layer IN [0, layer]
WITH layer, head, count(*) AS instances, avg(divergence) AS mean_divergence, avg(correlation) AS mean_correlation,
     avg(near[at]) AS local_previous, avg(far[at]) AS global_previous,
     avg(near[at + 1]) AS local_same, avg(far[at + 1]) AS global_same,
     avg(near[at + 2]) AS local_next, avg(far[at + 2]) AS global_next,
     avg(near[at + 3]) AS local_first, avg(far[at + 3]) AS global_first,
     avg(near[at + 4]) AS local_last, avg(far[at + 4]) AS global_last
RETURN layer, head, instances, mean_divergence, mean_correlation, local_previous, global_previous, local_same,
       global_same, local_next, global_next, local_first, global_first, local_last, global_last
ORDER BY floor(1000000000 * mean_divergence) DESC, layer, head LIMIT $limit
