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
    mean, var = (each.float() for each in torch.batch_norm_update_stats(x, None, None, 0.0))
    own = torch.cat([mean, var, mean.new_tensor([x.numel() // x.shape[1]])])
    parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, own)
    means, variances, counts = torch.stack(parts).split([len(mean), len(mean), 1], dim=1)
    n = counts.sum()
    mean = (counts * means).sum(0) / n
    return mean, (counts * (variances + (means - mean) ** 2)).sum(0) / n, n


class _Normalize(torch.autograd.Function):
    """Normalization by statistics of all processes, whose gradient takes part in them.

    The kernels of torch for fixed statistics do the work; the gradient lacks what `backward` adds.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, mean, var, n, eps):
        """Normalize ``(n, c, ...)``."""
        ones, zeros = torch.ones_like(mean), torch.zeros_like(mean)
        parameters = [ones if weight is None else weight, zeros if bias is None else bias]
        inputs = [each.detach().requires_grad_() for each in (x, *parameters)]
        with torch.enable_grad():
            output = F.batch_norm(inputs[0], mean, var, *inputs[1:], training=False, eps=eps)
        ctx.fixed, ctx.statistics = (inputs, output), (mean, var + eps, n)
        return output.detach()

    @staticmethod
    def backward(ctx, gradient):
        """Return the gradients; those of weight and bias are of this process, as others are."""
        (inputs, output), (mean, var, n) = ctx.fixed, ctx.statistics
        ctx.fixed = None
        of_x, of_weight, of_bias = torch.autograd.grad(output, inputs, gradient)
        total = torch.stack([of_weight, of_bias]).float()
        distributed.all_reduce(total)
        scale = -inputs[1] * var.rsqrt() / n
        # Of the mean and of the variance: linear in x, and so a normalization again.
        slope, offset = scale * var.rsqrt() * total[0], scale * total[1]
        unit = torch.ones_like(mean)
        of_x += F.batch_norm(inputs[0].detach(), mean, unit, slope, offset, eps=0.0)
        needed = [
            each if needs else None
            for each, needs in zip((of_x, of_weight, of_bias), ctx.needs_input_grad, strict=False)
        ]
        return *needed, None, None, None, None
