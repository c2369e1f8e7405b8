// title: Picture of an instance's patterns
// description: The paths that an instance's patterns take through the model, for Neo4j Browser to draw. It
//   returns graph paths, which only Neo4j Browser shows.
// browser-only: yes
// parameters: run, attention-level, instance
// columns:
//   word: From the instance to the pattern of a word and its input node.
//   flow: An edge of the computation graph that the pattern takes.
MATCH word = (:Instance {id: $instance})-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
             -[:THROUGH {step: 0}]->(:Node)
UNWIND range(0, size(p.path) - 2) AS step
MATCH flow = (:Node {id: p.path[step]})-[:FLOWS_TO]->(:Node {id: p.path[step + 1]})
RETURN word, flow
