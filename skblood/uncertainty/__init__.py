"""Uncertainty: calibration, prediction sets, rejection, outliers, and tests of a laboratory.

Loaded on first use: the calibration of a table needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_batch": ["check_batch", "find_other_batch", "training_distance"],
        "_calibration": ["expected_calibration_error"],
        "_coverage": ["AccuracyCoverageDisplay", "accuracy_coverage_curve"],
        "_energy": ["energy_score"],
        "_laboratory": ["laboratory_test"],
        "_outliers": ["OutlierDetector"],
        "_prediction_sets": ["PredictionSets"],
        "_reject": ["RejectOption"],
    },
)

__all__.remove("find_other_batch")  # of other rooms
