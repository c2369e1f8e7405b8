"""Cypher templates: found, checked, bound and run."""
