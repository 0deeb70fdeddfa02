"""Data: images and labels, from the bytes of whatever file to what a network reads."""
