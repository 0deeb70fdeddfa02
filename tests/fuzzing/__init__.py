"""Fuzzing: inputs of every format, made whole and then damaged where their structure is."""
