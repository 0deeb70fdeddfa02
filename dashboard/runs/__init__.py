"""Runs: what a visitor asks to be trained, and the one thread that trains it."""
