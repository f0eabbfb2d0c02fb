from .accuracy import (
    Matrix as Matrix,
)
from .accuracy import (
    MatrixLike as MatrixLike,
)
from .accuracy import (
    as_accuracy_matrix as as_accuracy_matrix,
)
from .accuracy import (
    average_accuracy as average_accuracy,
)
from .accuracy import (
    average_forgetting as average_forgetting,
)
from .accuracy import (
    average_intransigence as average_intransigence,
)
from .accuracy import (
    backward_transfer as backward_transfer,
)
from .accuracy import (
    forgetting as forgetting,
)
from .accuracy import (
    forward_transfer as forward_transfer,
)
from .accuracy import (
    intransigence as intransigence,
)
from .accuracy import (
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
from .values import Plot as Plot
