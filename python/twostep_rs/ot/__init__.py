"""Exact optimal transport: plans with a proof, histogram distances, a loss for training."""

from twostep_rs.ot.emd import emd, emd_batch, emd_matrix
from twostep_rs.ot.histogram import HistogramW2, histogram_w2
from twostep_rs.ot.loss import w2_loss
from twostep_rs.ot.plan import Plan
from twostep_rs.ot.sequence import EmdSequence
from twostep_rs.ot.submit import submit

__all__ = [
    "EmdSequence",
    "HistogramW2",
    "Plan",
    "emd",
    "emd_batch",
    "emd_matrix",
    "histogram_w2",
    "submit",
    "w2_loss",
]
