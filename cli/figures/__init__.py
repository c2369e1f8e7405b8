"""Figures: views of `queries.views` drawn with matplotlib."""
