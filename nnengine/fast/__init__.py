"""Fast: the same steps taken quickly. The textbook is in `nnengine.core`."""
