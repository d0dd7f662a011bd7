"""Training images of the pretrained model, recognized in fits, scores and audits."""

from ._training_overlap import (
    ATTRIBUTION,
    TrainingOverlapWarning,
    find_training_overlap,
    overlap_message,
    starts_from_pretrained,
)
