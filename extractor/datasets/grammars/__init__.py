"""Grammars that write the built-in datasets."""
