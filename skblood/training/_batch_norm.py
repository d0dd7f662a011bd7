"""Batch normalization whose statistics count the images of all processes."""

import torch
from torch import distributed
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class SynchronizedBatchNorm(TorchFunctionMode):
    """Context manager in which batch normalization in training counts the images of all processes.

    The modules stay as they are: their call of `torch.nn.functional.batch_norm` is taken over, so
    that there is nothing to convert back. (`torch.nn.SyncBatchNorm` works on GPUs only, and does
    not replace the subclasses of timm.)
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Call a function of torch, or ours."""
        kwargs = kwargs or {}
        if function is F.batch_norm and kwargs["training"]:
            return _batch_norm(*args, **kwargs)
        return function(*args, **kwargs)


def _batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps):
    """Normalize by the statistics of all processes, and update the running ones."""
    mean, var, n = _statistics(x.detach())
    if running_mean is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * (n / (n - 1))).to(running_var.dtype), momentum)
    return _Normalize.apply(x, weight, bias, mean, var, n, eps)


def _statistics(x):
    """Return mean and biased variance per channel, and the number of values, of all processes."""
    n = x.numel() // x.shape[1]
    var, mean = torch.var_mean(x.float(), _dims(x), correction=0)
    own = torch.cat([mean, var, mean.new_tensor([n])])
    parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, own)
    means, variances, counts = torch.stack(parts).split([len(mean), len(mean), 1], dim=1)
    n = counts.sum()
    mean = (counts * means).sum(0) / n
    return mean, (counts * (variances + (means - mean) ** 2)).sum(0) / n, n


def _dims(x):
    """Return all axes but that of the channels."""
    return [0, *range(2, x.ndim)]


class _Normalize(torch.autograd.Function):
    """Normalization by statistics of all processes, whose gradient takes part in them."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean, var, n, eps):
        """Normalize ``(n, c, ...)``."""
        ctx.save_for_backward(x, weight, mean, var, n)
        ctx.eps = eps
        return F.batch_norm(x, mean, var, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx, gradient):
        """Return the gradients; those of weight and bias are of this process, as others are."""
        x, weight, mean, var, n = ctx.saved_tensors
        shape = (1, -1) + (1,) * (x.ndim - 2)
        scale = (var + ctx.eps).rsqrt()
        centered = x - mean.to(x.dtype).view(shape)
        own = torch.stack([gradient.sum(_dims(x)), (gradient * centered).sum(_dims(x))]).float()
        of_weight, of_bias = own[1] * scale, own[0]
        total = own.clone()
        distributed.all_reduce(total)
        slope = (total[1] / n * scale**2).to(x.dtype).view(shape)
        of_x = gradient - (total[0] / n).to(x.dtype).view(shape) - centered * slope
        factor = scale if weight is None else scale * weight
        of_x = of_x * factor.to(x.dtype).view(shape)
        if weight is None:
            return of_x, None, None, None, None, None, None
        return of_x, of_weight, of_bias, None, None, None, None
