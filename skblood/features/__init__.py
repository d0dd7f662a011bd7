"""Features: what a frozen network gives for an image, kept so that it is computed once."""

from ._encode import encode_images
from ._store import FeatureStore

__all__ = ["FeatureStore", "encode_images"]
