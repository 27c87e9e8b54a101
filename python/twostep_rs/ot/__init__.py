"""Exact optimal transport: plans with a proof, distances of grids, a loss for training.

:mod:`twostep_rs.ot.approximate` has approximations to compare with; nothing else uses them.
"""

from twostep_rs.ot import approximate
from twostep_rs.ot.emd import emd, emd_batch, emd_matrix
from twostep_rs.ot.grid import GridW2, grid_w2
from twostep_rs.ot.histogram import HistogramSequence, HistogramW2, histogram_w2
from twostep_rs.ot.loss import w2_loss
from twostep_rs.ot.plan import Plan
from twostep_rs.ot.plan_sampler import OTPlanSampler
from twostep_rs.ot.sequence import EmdSequence
from twostep_rs.ot.submit import submit

__all__ = [
    "EmdSequence",
    "GridW2",
    "HistogramSequence",
    "HistogramW2",
    "OTPlanSampler",
    "Plan",
    "approximate",
    "emd",
    "emd_batch",
    "emd_matrix",
    "grid_w2",
    "histogram_w2",
    "submit",
    "w2_loss",
]
