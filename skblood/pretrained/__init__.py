"""The images that the pretrained model was trained on, known again by fingerprints."""

from ._seen import SeenImagesWarning, seen, starts_from_ready, warn_before_fit, warn_of_score

__all__ = ["SeenImagesWarning", "seen", "starts_from_ready", "warn_before_fit", "warn_of_score"]
