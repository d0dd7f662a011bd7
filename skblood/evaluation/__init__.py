"""Evaluation: scores with intervals, differential counts, and displays of data and training."""

from skblood.evaluation._batch_chart import BatchChart, batch_chart
from skblood.evaluation._cell_displays import CellGridDisplay, CellSampleDisplay
from skblood.evaluation._class_distribution import ClassDistributionDisplay
from skblood.evaluation._compare import DifferentialComparison, compare_differentials
from skblood.evaluation._compare_models import compare_models
from skblood.evaluation._differential import DifferentialCount
from skblood.evaluation._differential_count import differential_count
from skblood.evaluation._evaluate import evaluate
from skblood.evaluation._evaluation_report import EvaluationReport
from skblood.evaluation._history import HistoryDisplay
from skblood.evaluation._model_comparison import ModelComparison
from skblood.evaluation._plan_validation import plan_validation
from skblood.evaluation._validation import validate_differentials
from skblood.evaluation._validation_plan import ValidationPlan
from skblood.evaluation._validation_report import ValidationReport

__all__ = [
    "BatchChart",
    "CellGridDisplay",
    "CellSampleDisplay",
    "ClassDistributionDisplay",
    "DifferentialComparison",
    "DifferentialCount",
    "EvaluationReport",
    "HistoryDisplay",
    "ModelComparison",
    "ValidationPlan",
    "ValidationReport",
    "batch_chart",
    "compare_differentials",
    "compare_models",
    "differential_count",
    "evaluate",
    "plan_validation",
    "validate_differentials",
]
