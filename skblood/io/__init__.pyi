"""Names of the room, for lazy loading and for static tools."""

from ._card import model_card as model_card
from ._container import ModelFileError as ModelFileError, load_summary as load_summary
from ._describe import describe_backbone as describe_backbone
from ._onnx import export_onnx as export_onnx
from ._pretrained import load_pretrained as load_pretrained
from ._push import push_to_hub as push_to_hub
from ._save_load import load as load, load_info as load_info, save as save
