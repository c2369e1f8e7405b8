// title: Measures of a run
// description: Numbers computed over a run and stored with it, such as accuracy after ablation, with their
//   95% intervals.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest that has what is read.
//   metric: string = ""  Only this metric; all where empty.
// columns:
//   metric: What was measured.
//   method: Method whose patterns were measured.
//   level: embedding or attention; empty where it is of neither.
//   grouping: A subtask; empty for the whole run. `qoi`, `entropy` and `position_*` are of the sentences of its
//     most frequent structure only, as `note` says.
//   target: Of ablation, whether the target's own column is `dropped` or `kept`.
//   size: Of ablation, `natural` where a method keeps its own paths; else it keeps as many nodes as Pi_+.
//   counting: Of a share of paths, what is counted: `one path per word`, or all paths `inside` the kept nodes.
//   k: Nodes per layer; 1 unless several.
//   search: What greedy paths are compared with: `beam`, `exhaustive` or `random`.
//   beam: Width of the beam; 0 without one.
//   position: Position of the words; -1 where it is of no single position.
//   word: The role at that position, or its most frequent token.
//   value: The value.
//   low: Lower end of its 95% interval.
//   high: Upper end.
//   count: Instances behind it.
//   draws: Random draws behind it; 0 where there are none.
//   resamples: Bootstrap samples behind the interval.
//   seed: Seed of the draws and resamples.
//   note: What a reader must know.
//   runs: Ids of the runs that it is computed over.
MATCH (r:Run {id: $run})-[:MEASURED]->(m:Measure)
WHERE $metric IN ['', m.metric]
RETURN m.metric AS metric, m.method AS method, m.level AS level, m.grouping AS grouping, m.target AS target,
       m.size AS size, m.counting AS counting, m.k AS k, m.search AS search, m.beam AS beam,
       m.position AS position, m.word AS word, m.value AS value, m.low AS low, m.high AS high,
       m.count AS count, m.draws AS draws, m.resamples AS resamples, m.seed AS seed, m.note AS note,
       m.runs AS runs
ORDER BY metric, method, level, grouping, target, size, counting, k, search, beam, position
