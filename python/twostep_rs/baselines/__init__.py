"""References without a network: what must be beaten to have learned anything.

Each is made of the training clouds, and carries source particles to a parameter as a model does.
"""

from twostep_rs.baselines.entropic import EntropicMap
from twostep_rs.baselines.interpolation import InterpolatedCloud
from twostep_rs.baselines.nearest import NearestCloud

__all__ = ["EntropicMap", "InterpolatedCloud", "NearestCloud"]
