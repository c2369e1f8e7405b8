"""Stores in other programs' formats."""
