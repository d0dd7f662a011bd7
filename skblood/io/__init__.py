"""Model files (saved without pickle, loaded without running code), model cards, and ONNX."""

from ._card import model_card
from ._container import ModelFileError
from ._onnx import export_onnx
from ._pretrained import load_pretrained
from ._save_load import load, load_info, save
