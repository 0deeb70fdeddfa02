"""The version, in a file of its own so that building need not import NumPy."""

__version__ = "0.1.0"
