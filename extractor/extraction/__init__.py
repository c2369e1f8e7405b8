"""From a model and a dataset to a finished run directory."""
