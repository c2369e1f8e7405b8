"""What explains a model: a catalogue of methods, and the code of each."""
