"""Fast gradients of depthwise convolutions: those of PyTorch, to the precision of bfloat16."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells
from skblood.training import _depthwise
from skblood.training._depthwise import DepthwiseGradients


def gradients(layer, x, fast, dtype=torch.bfloat16):
    layer.zero_grad()
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        if fast:
            with DepthwiseGradients():
                y = layer(x)
        else:
            y = layer(x)
    # A gradient that differs from place to place.
    (y.float() * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum().backward()
    return [y.detach().float(), x.grad, *(p.grad for p in layer.parameters())]


def relative_difference(a, b):
    return ((a - b).norm() / b.norm()).item()


@pytest.fixture
def calls(monkeypatch):
    """Record the convolutions that are taken over."""
    found = []

    def convolve(*args):
        found.append(args)
        return convolve.original(*args)

    convolve.original = _depthwise._convolve
    monkeypatch.setattr(_depthwise, "_convolve", convolve)
    return found


class TestGradients:
    @pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
    @pytest.mark.parametrize("shape", [(12, 12), (11, 9), (7, 8)])
    @pytest.mark.parametrize(
        "size, stride, padding",
        [
            *((3, 2, 1), (3, 2, 0), (3, 3, 1), (5, 1, 2), (5, 2, 2), (5, 2, 0), (5, 1, (0, 2))),
            *((2, 2, 0), (4, 2, 1), (6, 1, 2), (7, 1, 3), (7, 4, 3)),
        ],
    )
    def test_are_those_of_pytorch(self, size, stride, padding, shape, memory, calls):
        torch.manual_seed(0)
        layer = nn.Conv2d(6, 6, size, stride, padding, groups=6).to(memory_format=memory)
        x = torch.randn(3, 6, *shape).to(memory_format=memory)
        ours = gradients(layer, x, fast=True)
        exact = gradients(layer, x, fast=False, dtype=torch.float32)
        assert len(calls) == 1
        for mine, right in zip(ours, exact, strict=True):
            assert mine.shape == right.shape
            assert relative_difference(mine, right) < 0.015

    def test_without_a_gradient_of_the_input(self, calls):
        layer = nn.Conv2d(4, 4, 5, groups=4, bias=False)
        with torch.autocast("cpu", torch.bfloat16), DepthwiseGradients():
            layer(torch.ones(1, 4, 6, 6)).sum().backward()
        assert len(calls) == 1
        assert layer.weight.grad.shape == layer.weight.shape
        torch.testing.assert_close(layer.weight.grad, torch.full((4, 1, 5, 5), 4.0))

    def test_frozen_kernel(self):
        layer = nn.Conv2d(4, 4, 5, groups=4).requires_grad_(False)
        x = torch.ones(1, 4, 6, 6, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16), DepthwiseGradients():
            layer(x).sum().backward()
        assert layer.weight.grad is None and x.grad.abs().sum() > 0

    @pytest.mark.parametrize(
        "layer",
        [
            nn.Conv2d(4, 4, 3, groups=4),  # fast as it is
            nn.Conv2d(4, 8, 5, groups=4),
            nn.Conv2d(4, 4, 5, groups=2),
            nn.Conv2d(4, 4, 5, groups=4, dilation=2),
            nn.Conv2d(4, 4, 5, groups=4, padding="same"),
            nn.Conv2d(4, 4, (3, 5), groups=4),
            nn.Conv2d(4, 4, 3, stride=(1, 2), groups=4),
            nn.Conv2d(1, 1, 5),
            nn.Conv2d(4, 4, 2, 2, padding=2, groups=4),
        ],
        ids=str,
    )
    def test_others_are_left_alone(self, layer, calls):
        x = torch.randn(2, layer.in_channels, 12, 12)
        for a, b in zip(gradients(layer, x, True), gradients(layer, x, False), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)
        assert calls == []

    def test_float32_is_left_alone(self, calls):
        layer = nn.Conv2d(4, 4, 5, groups=4)
        gradients(layer, torch.randn(2, 4, 8, 8), fast=True, dtype=torch.float32)
        assert calls == []

    def test_keywords(self, calls):
        x, weight = torch.randn(1, 4, 8, 8), torch.randn(4, 1, 5, 5)
        with torch.autocast("cpu", torch.bfloat16), DepthwiseGradients():
            y = F.conv2d(x, weight, groups=4, padding=2)
        assert y.shape == (1, 4, 8, 8) and calls == []


class TestFit:
    @pytest.mark.parametrize("precision", ["bfloat16", "float32"])
    def test_in_training(self, precision, calls):
        X, y = make_blood_cells(16, image_size=32, random_state=0)
        TransferCellClassifier(
            "tf_efficientnet_lite0",
            weights=None,
            image_size=32,
            max_epochs=1,
            precision=precision,
            random_state=0,
        ).fit(X, y)
        # One step; eleven layers have a stride or kernels of 5 x 5.
        assert len(calls) == (11 if precision == "bfloat16" else 0)
