"""Names of the room, for lazy loading and for static tools."""

from ._batch import check_batch, find_other_batch, training_distance
from ._calibration import expected_calibration_error
from ._coverage import AccuracyCoverageDisplay, accuracy_coverage_curve
from ._energy import energy_score
from ._laboratory import laboratory_test
from ._outliers import OutlierDetector
from ._prediction_sets import PredictionSets
from ._reject import RejectOption
