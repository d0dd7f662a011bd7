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
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(var * (n / (n - 1)), momentum)
    return _Normalize.apply(x, weight, bias, mean, var, n, eps)


def _statistics(x):
    """Return mean and biased variance per channel, and the number of values, of all processes."""
    n = x.numel() // x.shape[1]
    mean, var = torch.batch_norm_update_stats(x, None, None, 0.0)
    mean, var = mean.double(), var.double()  # float32 could not tell the variance of large numbers
    sums = torch.stack([mean, var + mean**2, torch.ones_like(mean)]).mul_(n)
    distributed.all_reduce(sums)
    mean, squares = sums[:2] / sums[2]
    return mean.float(), (squares - mean**2).float(), sums[2, 0].float()


class _Normalize(torch.autograd.Function):
    """Normalization by statistics of all processes, whose gradient takes part in them."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean, var, n, eps):
        """Normalize ``(n, c, ...)``."""
        ctx.save_for_backward(x, weight, mean, var, n)
        ctx.eps = eps
        return F.batch_norm(x, mean, var, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx, gradient):
        """Return the gradients; those of weight and bias are of this process, as others are."""
        x, weight, mean, var, n = ctx.saved_tensors
        # As if the statistics were fixed.
        options = (mean, var, None, None, False, ctx.eps, [True, True, True])
        weight = torch.ones_like(mean) if weight is None else weight
        of_x, *own = torch.ops.aten.native_batch_norm_backward(gradient, x, weight, *options)
        totals = torch.stack(own).float()
        distributed.all_reduce(totals)
        # What the mean and the variance add is linear in x, and so a normalization again.
        scale = (var + ctx.eps).rsqrt()
        slope, offset = totals * (weight * scale / -n)
        of_x += F.batch_norm(x, mean, torch.ones_like(mean), slope * scale, offset, eps=0.0)
        needed = ctx.needs_input_grad[1:3]
        own = [each if needs else None for each, needs in zip(own, needed, strict=True)]
        return of_x, *own, None, None, None, None
