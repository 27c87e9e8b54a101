"""Targets of the two-step paper, one file a family."""
