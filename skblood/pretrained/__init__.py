"""Training images of the pretrained models, recognized in fits, scores and audits."""

from ._fingerprints import compute_fingerprints, match_fingerprints
from ._training_overlap import (
    ATTRIBUTIONS,
    FINGERPRINT_FILES,
    TrainingOverlapWarning,
    find_training_overlap,
    overlap_message,
    pretrained_weights,
)
