"""Cypher templates: parsed, checked, bound and run."""
