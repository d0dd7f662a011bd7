"""ONNX Runtime, to compare prediction with."""

import copy
import importlib.util

import numpy as np
import torch
from torch import nn


def why_not(device):
    """Return why ONNX Runtime cannot be measured here, or None."""
    if not all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "onnxscript"))):
        return "ONNX Runtime is left out: onnx, onnxruntime or onnxscript is not installed here."
    import onnxruntime

    if device == "cuda" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "ONNX Runtime is left out: the one installed here cannot use the GPU."
    return None


class _Probabilities(nn.Module):
    """uint8 images ``(n, h, w, c)`` to probabilities."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images.permute(0, 3, 1, 2).float() / 255).softmax(1)


def make_session(network, image_size, device):
    """Write a network for images of its own size, so that no time goes by in resizing; open it."""
    network = copy.deepcopy(network).cpu()
    network.image_size = None
    program = torch.onnx.export(
        _Probabilities(network).eval(),
        (torch.zeros((2, image_size, image_size, 3), dtype=torch.uint8),),
        input_names=["images"],
        output_names=["probabilities"],
        opset_version=18,
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
        verbose=False,
    )
    return open_session(program.model_proto.SerializeToString(), device)


def open_session(model, device):
    """Open a model, its bytes or its file, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    providers = ["CPUExecutionProvider"]
    if device == "cuda":
        providers.insert(0, "CUDAExecutionProvider")
    return onnxruntime.InferenceSession(model, options, providers)


def predict(session, images, *, batch_size):
    """Return the probabilities of uint8 images."""
    batches = (images[i : i + batch_size] for i in range(0, len(images), batch_size))
    return np.concatenate([session.run(None, {"images": batch})[0] for batch in batches])
