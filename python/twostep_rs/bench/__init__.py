"""Benches of the command line: the package beside its rivals, in one run."""
