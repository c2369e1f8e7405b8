"""Model in, influence patterns out."""
