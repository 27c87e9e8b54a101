"""Training of both stages: loops, couplings, checkpoints."""
