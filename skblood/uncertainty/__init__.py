"""Uncertainty: calibration, prediction sets, rejection, outliers, and tests of a laboratory."""

from ._batch import check_batch, knows_home, training_distance
from ._calibration import expected_calibration_error
from ._coverage import AccuracyCoverageDisplay, accuracy_coverage_curve
from ._energy import energy_score
from ._laboratory import laboratory_test
from ._outliers import OutlierDetector
from ._prediction_sets import PredictionSets
from ._reject import RejectOption

__all__ = [
    "AccuracyCoverageDisplay",
    "OutlierDetector",
    "PredictionSets",
    "RejectOption",
    "accuracy_coverage_curve",
    "check_batch",
    "energy_score",
    "expected_calibration_error",
    "laboratory_test",
    "training_distance",
]
