"""The ready model, and the fingerprints of the images that it was trained on."""

from ._models import load_pretrained
from ._seen import SeenImagesWarning

__all__ = ["SeenImagesWarning", "load_pretrained"]
