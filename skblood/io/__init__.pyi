"""Names of the room, for lazy loading and for static tools."""

from ._card import model_card
from ._container import ModelFileError, load_summary
from ._onnx import export_onnx
from ._pretrained import load_pretrained
from ._save_load import load, load_info, save
