"""Figures and the HTML report: `gather` asks a store; the rest turns data into figures and HTML text."""
