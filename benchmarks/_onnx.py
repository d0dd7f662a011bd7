"""ONNX Runtime, to compare prediction with."""

import copy
import importlib.util

import numpy as np
import torch

from skblood.io._onnx_graph import Graph
from skblood.io._onnx_proto import make_proto
from skblood.networks import HeadSpec, NetworkSpec


def why_not(device):
    """Return why ONNX Runtime cannot be measured here, or None."""
    if not all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "onnxscript"))):
        return "ONNX Runtime is left out: onnx, onnxruntime or onnxscript is not installed here."
    import onnxruntime

    if device == "cuda" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "ONNX Runtime is left out: the one installed here cannot use the GPU."
    return None


def make_session(network, image_size, device):
    """Write a network for images of its own size, so that no time goes by in resizing; open it."""
    network = copy.deepcopy(network).cpu()
    network.image_size = None
    shape = (image_size, image_size, 3)
    graph = Graph(network, NetworkSpec((), HeadSpec(), (0, 1), shape, shape)).eval()
    example = torch.zeros((2, *shape), dtype=torch.uint8)
    proto = make_proto(graph, example, {0: "n"}, ("images", "probabilities"))
    return open_session(proto.SerializeToString(), device)


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
