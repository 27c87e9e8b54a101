"""Loss functions: pure functions of a network and a batch."""
