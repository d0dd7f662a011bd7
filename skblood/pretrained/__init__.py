"""Training images of the pretrained model, recognized in fits, scores and audits."""

from ._fingerprints import compute_fingerprints, match_fingerprints
from ._training_overlap import (
    ATTRIBUTION,
    FINGERPRINTS_FILE,
    TrainingOverlapWarning,
    find_training_overlap,
    overlap_message,
    starts_from_pretrained,
)
