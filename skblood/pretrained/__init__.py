"""Training images of the pretrained model, recognized in fits, scores and audits."""

from ._training_overlap import (
    ATTRIBUTION,
    TrainingOverlapWarning,
    find_training_overlap,
    fit_overlap_message,
    score_overlap_message,
    starts_from_pretrained,
)
