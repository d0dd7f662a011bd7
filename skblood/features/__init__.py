"""What is costly to make of images, kept so that it is made once: features, decoded files."""

from ._encode import encode_images
from ._store import FeatureStore

__all__ = ["FeatureStore", "encode_images"]
