//! Arrays at the border: shape checks, and copies into the core's layout.
