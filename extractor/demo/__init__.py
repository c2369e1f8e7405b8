"""The demo models: small BERTs trained on our own template sentences, shipped as package data."""

from pathlib import Path

AGREEMENT = Path(__file__).parent / "agreement"
"""Masked language model for the agreement subtasks (`--model demo`)."""
SENTIMENT = Path(__file__).parent / "sentiment"
"""Classifier for the sentiment set (`--model demo-sentiment`)."""
