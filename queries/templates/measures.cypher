// title: Measures of a run
// description: Figures computed over a run and stored with it, such as accuracy after ablation, with their
//   95% intervals.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   metric: string = ""  Only this metric; all where empty.
// columns:
//   metric: What was measured.
//   method: Method whose patterns were measured.
//   level: embedding or attention.
//   grouping: A subtask; empty for the whole run. `qoi`, `entropy` and `position_*` are of the sentences of its
//     most frequent structure only, as `note` says.
//   variant: Such as `target=dropped`.
//   value: The figure.
//   low: Lower end of its 95% interval.
//   high: Upper end.
//   count: Instances behind it.
//   note: What a reader must know.
MATCH (r:Run {id: $run})-[:MEASURED]->(m:Measure)
WHERE $metric IN ['', m.metric]
RETURN m.metric AS metric, m.method AS method, m.level AS level, m.grouping AS grouping, m.variant AS variant,
       m.value AS value, m.low AS low, m.high AS high, m.count AS count, m.note AS note
ORDER BY metric, method, level, grouping, variant
