"""A backbone in words."""

import pytest

from skblood.io import describe_backbone


@pytest.mark.parametrize(
    ("backbone", "text"),
    [
        ({"weights": None, "trained": "all"}, "from random weights (trained from scratch)"),
        ({"weights": None, "trained": 2}, "from random weights, its last 2 stages trained"),
        ({"weights": "default", "trained": "head"}, "its published weights, none of it trained"),
        (
            {"weights": "file:a.pth", "trained": "all", "weights_sha256": "00"},
            "from the weights of a.pth (SHA-256 00), all of it trained",
        ),
    ],
)
def test_weights_and_extent(backbone, text):
    description = describe_backbone({"name": "resnet18", **backbone})
    assert description.startswith("resnet18, from ") and description.endswith(text)


def test_what_a_file_may_lack():
    assert describe_backbone({}) == "None, from random weights, its last None stages trained"
