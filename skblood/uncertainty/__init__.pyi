"""Names of the room, for lazy loading and for static tools."""

from ._batch import (
    check_batch as check_batch,
    find_other_batch as find_other_batch,
    training_distance as training_distance,
)
from ._calibration import expected_calibration_error as expected_calibration_error
from ._coverage import (
    AccuracyCoverageDisplay as AccuracyCoverageDisplay,
    accuracy_coverage_curve as accuracy_coverage_curve,
)
from ._energy import energy_score as energy_score
from ._laboratory import laboratory_test as laboratory_test
from ._outliers import OutlierDetector as OutlierDetector
from ._prediction_sets import PredictionSets as PredictionSets
from ._reject import RejectOption as RejectOption
