"""Evaluation: scores with intervals, differential counts, and displays of data and training.

Loaded on first use: a table of predictions needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_batch_chart": ["BatchChart", "batch_chart"],
        "_cell_displays": ["CellGridDisplay", "CellSampleDisplay"],
        "_class_distribution": ["ClassDistributionDisplay"],
        "_compare": ["DifferentialComparison", "compare_differentials"],
        "_compare_models": ["compare_models"],
        "_differential": ["DifferentialCount"],
        "_differential_count": ["differential_count"],
        "_evaluate": ["evaluate"],
        "_evaluation_report": ["EvaluationReport"],
        "_history": ["HistoryDisplay"],
        "_model_comparison": ["ModelComparison"],
        "_plan_validation": ["plan_validation"],
        "_validation": ["validate_differentials"],
        "_validation_plan": ["ValidationPlan"],
        "_validation_report": ["ValidationReport"],
    },
)
