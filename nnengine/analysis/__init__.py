"""Analysis: what a trained network is, and what it is not."""
