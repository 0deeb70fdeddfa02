"""Homework: somebody's own network held to the formulas, and its mistakes called by their names."""
