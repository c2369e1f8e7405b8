"""One file per family of models: what differs there, and in `ARCHITECTURES` the classes that it serves."""
