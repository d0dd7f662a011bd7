"""Gradients of depthwise convolutions in bfloat16 on a CPU, where oneDNN lacks fast kernels."""

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_gradients = torch.ops.aten.convolution_backward


class DepthwiseGradients(TorchFunctionMode):
    """Context manager in which strided or wide depthwise convolutions have fast gradients.

    In bfloat16 on a CPU, oneDNN computes the gradient of the input for strides above 1, and that of
    the kernel for kernels above 3 x 3, 5 to 100 times as slowly as other convolutions of this size.
    Both are rewritten in terms of those. The modules stay as they are.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Call a function of torch, or ours."""
        if function is F.conv2d and not kwargs and len(args) == 7 and _is_slow(*args):
            return _convolve(*args)
        return function(*args, **kwargs or {})


def _is_slow(x, weight, bias, stride, padding, dilation, groups):
    """Tell whether a convolution is one of those whose gradients are slow."""
    return (
        torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and groups == weight.shape[0] == x.shape[1] > 1
        and weight.shape[2] == weight.shape[3] > 1
        and stride[0] == stride[1]
        and not isinstance(padding, str)
        and max(padding) < weight.shape[2]
        and tuple(dilation) == (1, 1)
        and (stride[0] > 1 or weight.shape[2] > 3)
    )


def _convolve(x, weight, bias, stride, padding, dilation, groups):
    y = _Depthwise.apply(x.bfloat16(), weight.bfloat16(), stride[0], tuple(padding))
    return y if bias is None else y + bias.bfloat16()[:, None, None]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, stride, padding):
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, None, stride, padding, 1, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        of_x = _of_input(grad, x, weight, ctx) if ctx.needs_input_grad[0] else None
        of_weight = _of_weight(grad, x, weight, ctx) if ctx.needs_input_grad[1] else None
        return of_x, of_weight, None, None


def _of_input(grad, x, weight, ctx):
    """Convolve the gradient, spread out by the stride, with the flipped kernel."""
    size, stride = weight.shape[2], ctx.stride
    shape = (len(x), x.shape[2] + size - 1, x.shape[3] + size - 1, x.shape[1])
    spread = grad.new_zeros(shape).permute(0, 3, 1, 2)  # channels last
    top, left = (size - 1 - padding for padding in ctx.padding)
    rows = slice(top, top + grad.shape[2] * stride, stride)
    columns = slice(left, left + grad.shape[3] * stride, stride)
    spread[:, :, rows, columns] = grad
    return F.conv2d(spread, weight.flip(2, 3), None, 1, 0, 1, len(weight))


def _of_weight(grad, x, weight, ctx):
    """Compute the gradient of a wide kernel by blocks of 3 x 3."""
    size, stride = weight.shape[2], ctx.stride
    block = min(3, size)
    x = F.pad(x, (ctx.padding[1],) * 2 + (ctx.padding[0],) * 2)
    height, width = ((n - 1) * stride + block for n in grad.shape[2:])
    like = weight[:, :, :block, :block].contiguous()
    result = torch.empty_like(weight)
    starts = sorted({*range(0, size - block, block), size - block})
    for top in starts:
        for left in starts:
            part = x[:, :, top : top + height, left : left + width]
            part = part.contiguous(memory_format=torch.channels_last)
            where = (..., slice(top, top + block), slice(left, left + block))
            options = ([stride] * 2, [0, 0], [1, 1], False, [0, 0], len(weight))
            result[where] = _gradients(grad, part, like, None, *options, [False, True, False])[1]
    return result
