# ruff: noqa: I001 - one import of eleven names instead of eleven imports
from .accuracy import (
    Matrix as Matrix,
    MatrixLike as MatrixLike,
    as_accuracy_matrix as as_accuracy_matrix,
    average_accuracy as average_accuracy,
    average_forgetting as average_forgetting,
    average_intransigence as average_intransigence,
    backward_transfer as backward_transfer,
    forgetting as forgetting,
    forward_transfer as forward_transfer,
    intransigence as intransigence,
    learning_accuracy as learning_accuracy,
)
from .evaluator import mas_evaluator as mas_evaluator
from .evaluator import mas_metrics as mas_metrics
from .heatmap import heat_map as heat_map
from .matrix import AccuracyMatrix as AccuracyMatrix
from .omega import ImportanceCost as ImportanceCost
from .omega import OmegaMetrics as OmegaMetrics
from .penalty import DriftMetrics as DriftMetrics
from .penalty import PenaltyMetrics as PenaltyMetrics
from .report import AccuracyReport as AccuracyReport
from .summary import summary_row as summary_row
from .values import Plot as Plot
