"""Names of the room, for lazy loading and for static tools."""

from ._batch_chart import BatchChart as BatchChart, batch_chart as batch_chart
from ._cell_displays import (
    CellGridDisplay as CellGridDisplay,
    CellSampleDisplay as CellSampleDisplay,
)
from ._class_distribution import ClassDistributionDisplay as ClassDistributionDisplay
from ._compare import (
    DifferentialComparison as DifferentialComparison,
    compare_differentials as compare_differentials,
)
from ._compare_models import compare_models as compare_models
from ._differential import DifferentialCount as DifferentialCount
from ._differential_count import differential_count as differential_count
from ._evaluate import evaluate as evaluate
from ._evaluation_report import EvaluationReport as EvaluationReport
from ._history import HistoryDisplay as HistoryDisplay
from ._model_comparison import ModelComparison as ModelComparison
from ._plan_validation import plan_validation as plan_validation
from ._validation import validate_differentials as validate_differentials
from ._validation_plan import ValidationPlan as ValidationPlan
from ._validation_report import ValidationReport as ValidationReport
