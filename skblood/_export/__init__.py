"""Writing a fitted model for programs without Python."""

from skblood._export._onnx import export_onnx

__all__ = ["export_onnx"]
