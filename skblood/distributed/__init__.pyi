"""Names of the room, for lazy loading and for static tools."""

from ._predict import predict as predict
