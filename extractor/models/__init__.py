"""Hugging Face models as position-wise blocks around attention, and texts as they read them."""
