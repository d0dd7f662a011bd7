"""Training images of the pretrained models, recognized in fits, scores and audits."""

from skblood._deprecation import former_names

from ._fingerprints import compute_fingerprints, match_fingerprints
from ._training_overlap import (
    ATTRIBUTIONS,
    FINGERPRINT_FILES,
    TrainingOverlapWarning,
    find_training_overlap,
    overlap_message,
    pretrained_weights,
)

_FORMER = {
    "SeenImagesWarning": "skblood.TrainingOverlapWarning",
    "load_pretrained": "skblood.load_pretrained",
}
__getattr__ = former_names(__name__, _FORMER, since="0.1")
