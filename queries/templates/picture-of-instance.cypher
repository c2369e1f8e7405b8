// title: Picture of an instance's patterns
// description: The paths that an instance's patterns take through the model, for Neo4j Browser to draw. It
//   returns graph paths, so it is no part of the portable library: only Neo4j Browser shows it.
// browser-only: yes
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   level: level attention = attention  The drawing follows heads and skips.
//   instance: instance  The instance: its id, the row's own name, or a unique prefix of the id.
// columns:
//   word: From the instance to the pattern of a word and its input node.
//   flow: An edge of the computation graph that the pattern takes.
MATCH word = (:Instance {id: $instance})-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
             -[:THROUGH {step: 0}]->(:Node)
UNWIND range(0, size(p.path) - 2) AS step
MATCH flow = (:Node {id: p.path[step]})-[:FLOWS_TO]->(:Node {id: p.path[step + 1]})
RETURN word, flow
