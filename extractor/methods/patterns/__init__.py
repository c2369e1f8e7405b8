"""Methods that choose paths."""
