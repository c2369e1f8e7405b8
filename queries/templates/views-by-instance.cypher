// title: Views of the heads of each instance, as lists
// description: What intervals over instances are computed from: lists by layer, then head; of masses, then by the
//   previous, same, next, first and last token.
// parameters: run, subtask, condition
//   limit: int 1.. = 1000  The most rows to return.
// columns:
//   instance: Id of the instance.
//   tokens: Tokens in the sentence, special ones included.
//   divergences: Jensen-Shannon divergence of the local and the global view, in bits.
//   correlations: Spearman's correlation of the two; 0 where it is not defined.
//   local_masses: Mass of the local view on each of the five.
//   global_masses: The same of the global view.
MATCH (r:Run {id: $run})-[e:VIEWS]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (r)-[p:PREDICTED]->(i)
RETURN i.id AS instance, size(p.tokens) AS tokens, e.divergences AS divergences, e.correlations AS correlations,
       e.local_masses AS local_masses, e.global_masses AS global_masses
ORDER BY instance LIMIT $limit
