"""Models in files: saved without pickle, loaded without running anything."""

from skblood._persistence._errors import ModelFileError
from skblood._persistence._files import load, load_info, save

__all__ = ["ModelFileError", "load", "load_info", "save"]
