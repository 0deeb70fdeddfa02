"""Storage: networks and runs as bytes, and back; nothing is unpickled."""
