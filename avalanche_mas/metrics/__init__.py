"""The metrics of continual learning and of MAS: functions, and Avalanche's metrics over them."""

from avalanche_mas.accuracy import (
    Matrix,
    MatrixLike,
    as_accuracy_matrix,
    average_accuracy,
    average_forgetting,
    average_intransigence,
    backward_transfer,
    forgetting,
    forward_transfer,
    intransigence,
    learning_accuracy,
)
from avalanche_mas.metrics.evaluator import mas_evaluator, mas_metrics
from avalanche_mas.metrics.matrix import AccuracyMatrix
from avalanche_mas.metrics.omega import ImportanceCost, OmegaMetrics
from avalanche_mas.metrics.penalty import DriftMetrics, PenaltyMetrics
from avalanche_mas.metrics.report import AccuracyReport

__all__ = [
    "AccuracyMatrix",
    "AccuracyReport",
    "DriftMetrics",
    "ImportanceCost",
    "Matrix",
    "MatrixLike",
    "OmegaMetrics",
    "PenaltyMetrics",
    "as_accuracy_matrix",
    "average_accuracy",
    "average_forgetting",
    "average_intransigence",
    "backward_transfer",
    "forgetting",
    "forward_transfer",
    "intransigence",
    "learning_accuracy",
    "mas_evaluator",
    "mas_metrics",
]
