"""Core: what a network is and how it learns, in NumPy alone. An evening's reading."""
