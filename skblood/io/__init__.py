"""Model files (saved without pickle, loaded without running code), model cards, and ONNX.

Loaded on first use: a summary of a file needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_card": ["model_card"],
        "_container": ["ModelFileError", "load_summary"],
        "_onnx": ["export_onnx"],
        "_pretrained": ["load_pretrained"],
        "_save_load": ["load", "load_info", "save"],
    },
)
