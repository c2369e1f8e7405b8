"""The graph's schema: records, labels, tables and the computation graph."""
