"""Names of the room, for lazy loading and for static tools."""

from ._batch_chart import BatchChart, batch_chart
from ._cell_displays import CellGridDisplay, CellSampleDisplay
from ._class_distribution import ClassDistributionDisplay
from ._compare import DifferentialComparison, compare_differentials
from ._compare_models import compare_models
from ._differential import DifferentialCount
from ._differential_count import differential_count
from ._evaluate import evaluate
from ._evaluation_report import EvaluationReport
from ._history import HistoryDisplay
from ._model_comparison import ModelComparison
from ._plan_validation import plan_validation
from ._validation import validate_differentials
from ._validation_plan import ValidationPlan
from ._validation_report import ValidationReport
