"""Jobs, numbers and figures of the flow maps on the checkerboard."""
