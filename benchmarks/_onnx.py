"""ONNX Runtime, to compare prediction with."""

import copy
import importlib.util
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn


class FromPixels(nn.Module):
    """uint8 images ``(n, h, w, c)`` to probabilities: all that ONNX Runtime can do itself."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        """Scale, bring the channels forward, classify."""
        x = images.permute(0, 3, 1, 2).to(torch.float32) / 255
        return self.network(x).softmax(1)


def why_not(device):
    """Return why ONNX Runtime cannot be measured here, or None."""
    if not all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "onnxscript"))):
        return "ONNX Runtime is left out: onnx, onnxruntime or onnxscript is not installed here."
    import onnxruntime

    if device == "cuda" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "ONNX Runtime is left out: the one installed here cannot use the GPU."
    return None


def make_session(network, image_size, device):
    """Export a network in evaluation mode and open it, with as many threads as torch has."""
    import onnxruntime

    wrapped = FromPixels(copy.deepcopy(network).cpu().eval())
    example = torch.zeros((2, image_size, image_size, 3), dtype=torch.uint8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    providers = ["CPUExecutionProvider"]
    if device == "cuda":
        providers.insert(0, "CUDAExecutionProvider")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about itself
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            wrapped,
            (example,),
            path,
            input_names=["images"],
            dynamo=True,
            dynamic_shapes={"images": {0: torch.export.Dim("n", min=1)}},
            verbose=False,
        )
        return onnxruntime.InferenceSession(path, options, providers)


def predict(session, images, *, batch_size):
    """Return the probabilities of uint8 images."""
    batches = (images[i : i + batch_size] for i in range(0, len(images), batch_size))
    return np.concatenate([session.run(None, {"images": batch})[0] for batch in batches])
