"""From a module to ONNX's own form, without a word of torch's exporter, and on to its answers."""

import logging
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO

import torch

# Understood by ONNX Runtime since 1.14.
_OPSET = 18
# protobuf ends at 2 GiB; what is not weights is small.
_MAX_BYTES = 2**31 - 2**24
_LOGGERS = ("torch", "onnx_ir", "onnxscript")


def make_proto(module, example, axes, names):
    """Write a module as ONNX.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode, on the CPU; takes one tensor and returns one.
    example : torch.Tensor
        Two at least of all that may be of any length.
    axes : dict of int to str
        The axes of the input that may have any length, and their names.
    names : tuple of (str, str)
        Of the input and of the output.

    Returns
    -------
    proto : onnx.ModelProto

    Raises
    ------
    ValueError
        If the weights have more than 2 GiB, or the module does what ONNX cannot.
    """
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    _check_bytes(module)
    with _refusal("written as ONNX"), _silence():
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
        # Each node tells of the lines of Python that it was made of, and of their folders.
        ClearMetadataAndDocStringPass()(program.model)
        return program.model_proto


def open_proto(proto, names):
    """Return what runs a graph by ONNX Runtime, on an array."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # an error is raised, and need not be printed as well
    options.intra_op_num_threads = torch.get_num_threads()
    with _refusal("run by ONNX Runtime"):
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(X):
        with _refusal("run by ONNX Runtime"):
            return session.run(names[1:], {names[0]: X})[0]

    return run


@contextmanager
def _refusal(deed):
    """Turn whatever is raised into a ValueError: the network may be anybody's."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"The network cannot be {deed} ({type(error).__name__}: {reason}). Nothing was "
            "written. Choose another backbone, or use skblood.save."
        ) from error


def _check_bytes(module):
    n_bytes = sum(tensor.nbytes for tensor in module.state_dict().values())
    if n_bytes > _MAX_BYTES:
        raise ValueError(
            f"The network has {n_bytes / 2**30:.1f} GiB of weights, and a file of ONNX holds 2 GiB "
            "at most. Nothing was written. Choose a smaller backbone, or use skblood.save."
        )


@contextmanager
def _silence():
    """Keep what the exporter says about itself from the user."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
