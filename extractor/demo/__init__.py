"""The demo models: small models trained on our own template sentences, shipped as package data."""

from pathlib import Path

AGREEMENT = Path(__file__).parent / "agreement"
"""Masked language model for the agreement subtasks (`--model demo`)."""
SENTIMENT = Path(__file__).parent / "sentiment"
"""Classifier for the sentiment set (`--model demo-sentiment`)."""
GPT2 = Path(__file__).parent / "gpt2"
"""Decoder for the agreement subtasks (`--model demo-gpt2`)."""
MODERNBERT = Path(__file__).parent / "modernbert"
"""Masked language model with windows for the agreement subtasks (`--model demo-modernbert`)."""
