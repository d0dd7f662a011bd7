"""Uncertainty: calibration, prediction sets, rejection, outliers, and tests of a laboratory."""

from skblood.uncertainty._calibration import expected_calibration_error
from skblood.uncertainty._coverage import AccuracyCoverageDisplay, accuracy_coverage_curve
from skblood.uncertainty._laboratory import laboratory_test
from skblood.uncertainty._outliers import OutlierDetector
from skblood.uncertainty._prediction_sets import PredictionSets
from skblood.uncertainty._reject import RejectOption

__all__ = [
    "AccuracyCoverageDisplay",
    "OutlierDetector",
    "PredictionSets",
    "RejectOption",
    "accuracy_coverage_curve",
    "expected_calibration_error",
    "laboratory_test",
]
