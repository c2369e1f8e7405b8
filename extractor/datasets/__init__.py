"""Datasets: template grammars and files, read into examples."""
