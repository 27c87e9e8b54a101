"""Wasserstein gradient flows of particles: energies, their velocities, flows without a network."""
