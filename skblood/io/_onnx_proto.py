"""Torch module to ONNX model, and ONNX model to ONNX Runtime."""

import logging
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO

import torch

# Understood by ONNX Runtime since 1.14.
_OPSET = 18


def make_proto(module, example, axes, names):
    """Write a module as ONNX.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode, on the CPU; takes one tensor and returns one.
    example : torch.Tensor
        An input, at least 2 long along all axes of any length.
    axes : dict of int to str
        Input axes of any length, with their names.
    names : tuple of (str, str)
        Names of the input and of the output.

    Returns
    -------
    proto : onnx.ModelProto

    Raises
    ------
    ValueError
        If ONNX cannot express the module.
    """
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    with _as_value_error("written as ONNX"):
        program = torch.onnx.export(
            module,
            (example,),
            input_names=names[:1],
            output_names=names[1:],
            opset_version=_OPSET,
            dynamo=True,
            dynamic_shapes=({axis: torch.export.Dim(axes[axis], min=1) for axis in axes},),
            verbose=False,
        )
        # Nodes carry the lines of Python that they come from, with their folders.
        ClearMetadataAndDocStringPass()(program.model)
        return program.model_proto


def run_proto(proto, names, batches):
    """Return the outputs of a model for arrays, computed by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised; do not print them, too
    options.intra_op_num_threads = torch.get_num_threads()
    providers = ["CPUExecutionProvider"]
    with _as_value_error("run by ONNX Runtime"):
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers)
        return [session.run(names[1:], {names[0]: X})[0] for X in batches]


@contextmanager
def _as_value_error(action):
    """Turn any exception into a ValueError, and suppress output, warnings and log messages.

    Networks of timm may raise whatever they like, and the exporter prints.
    """
    disabled = logging.root.manager.disable
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        logging.disable()
        try:
            yield
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            raise ValueError(
                f"The network cannot be {action} ({reason}). Nothing was written. Choose another "
                "backbone, or use skblood.save."
            ) from error
        finally:
            logging.disable(disabled)
