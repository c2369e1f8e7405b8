"""Where a run's shards are computed: one file per engine."""
