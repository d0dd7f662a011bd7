"""What the papers' ideas are worth: one protocol at 64 px, and one thing changed at a time.

Nothing of it is published: contrastive training against cross-entropy, SMOTE on pixels against
weights against neither, and a hybrid against its parts; the latter also trained as Battu et al.
trained theirs.
"""

from dataclasses import replace

import numpy as np

from . import battu
from ._recipe import Quick, Recipe, Split
from ._weights import LITE0, SQUEEZENET

GROUP = "Comparisons at 64 px"
# Epochs of an encoder. One of cellnet_s takes about twenty seconds on one core; a comparison is of
# many runs, so there are few.
_EPOCHS = 5
_AS_LONG_AS_SMOTE = 8  # SMOTE makes 1.6 images of one, and so more steps of an epoch
_BASE = Recipe(
    name="cellnet-64",
    paper=GROUP,
    system="cellnet_s, cross-entropy",
    estimator="TransferCellClassifier",
    parameters={"backbone": "cellnet_s", "image_size": 64, "max_epochs": _EPOCHS},
    published={},
    place="a comparison of our own",
    difference="",
    split=Split("given"),
    quick=Quick(32, 1_200, 2),
)
# The settings of a published hybrid; each part alone is trained for as many epochs.
_BATTU = next(recipe for recipe in battu.RECIPES if recipe.name == "battu-hybrid").parameters
_BATTU = {**_BATTU, "image_size": 64, "interpolation": "bilinear"}
_PUBLISHED_EPOCHS = _BATTU["max_epochs"] + _BATTU["refine_epochs"]


def _part(name, system, backbone):
    left_out = ("backbones", "refine_epochs")
    parameters = {key: value for key, value in _BATTU.items() if key not in left_out}
    return replace(
        _BASE,
        name=f"{name}-as-battu",
        system=f"{system}, head and epochs of the published hybrid",
        parameters={**parameters, "backbone": backbone, "max_epochs": _PUBLISHED_EPOCHS},
        pretrained=backbone != "cellnet_s",
        quick=Quick(32, 1_200, 2),
    )


def _hybrid(name, system, backbones):
    return replace(
        _part(name, system, backbones[0]),
        estimator="HybridFeatureClassifier",
        parameters={**_BATTU, "backbones": backbones},
    )


RECIPES = (
    _BASE,
    replace(
        _BASE,
        name="cellnet-64-longer",
        system="cellnet_s, cross-entropy, as many steps as with SMOTE",
        parameters={**_BASE.parameters, "max_epochs": _AS_LONG_AS_SMOTE},
    ),
    replace(
        _BASE,
        name="contrastive-64",
        system="cellnet_s, supervised contrastive, then a linear head",
        estimator="ContrastiveCellClassifier",
        parameters={**_BASE.parameters, "pretrain_epochs": _EPOCHS, "max_epochs": 10},
        quick=Quick(32, 1_200, 5),  # two of the encoder, as the others
    ),
    replace(
        _BASE,
        name="balanced-64",
        system="cellnet_s, class_weight='balanced'",
        parameters={**_BASE.parameters, "class_weight": "balanced"},
    ),
    replace(_BASE, name="smote-64", system="cellnet_s, SMOTE on pixels", resampling="smote"),
    replace(
        _BASE,
        name="squeezenet-64",
        system="SqueezeNet 1.0 of ImageNet, fine-tuned",
        parameters={**_BASE.parameters, "backbone": SQUEEZENET},
        pretrained=True,
    ),
    replace(
        _BASE,
        name="hybrid-64",
        system="hybrid of the two networks",
        estimator="HybridFeatureClassifier",
        parameters={
            "backbones": (SQUEEZENET, "cellnet_s"),
            "image_size": 64,
            "lr": 1e-3,  # between those of a pretrained network and of a new one
            "max_epochs": _EPOCHS,
            "refine_epochs": 0,
        },
        pretrained=True,
    ),
    _part("lite0", "EfficientNet-Lite0", LITE0),
    _part("squeezenet", "SqueezeNet 1.0", SQUEEZENET),
    _part("cellnet", "cellnet_s", "cellnet_s"),
    _hybrid("lite0-squeezenet", "hybrid of Lite0 and SqueezeNet", (LITE0, SQUEEZENET)),
    _hybrid("lite0-cellnet", "hybrid of Lite0 and cellnet_s", (LITE0, "cellnet_s")),
)
# The first minus the second.
PAIRS = (
    ("contrastive-64", "cellnet-64"),
    ("smote-64", "cellnet-64"),
    ("smote-64", "cellnet-64-longer"),
    ("contrastive-64", "cellnet-64-longer"),
    ("balanced-64", "cellnet-64"),
    ("smote-64", "balanced-64"),
    ("hybrid-64", "squeezenet-64"),
    ("hybrid-64", "cellnet-64"),
    ("lite0-squeezenet-as-battu", "lite0-as-battu"),
    ("lite0-squeezenet-as-battu", "squeezenet-as-battu"),
    ("lite0-cellnet-as-battu", "lite0-as-battu"),
    ("lite0-cellnet-as-battu", "cellnet-as-battu"),
)


def differences(first, second, n_resamples=1_000):
    """Return how much better one system is than another, on the same test images.

    Parameters
    ----------
    first, second : dict of int to dict
        Results of each by seed; the seeds that both have are compared.
    n_resamples : int
        Resamples of the test images.

    Returns
    -------
    found : dict of str to dict
        By score: `mean` over seeds, `low` and `high` (the 95% interval of the mean over test sets),
        and `least` and `most` of a seed. Empty if no seed is common, or the test images differ.
    """
    seeds = sorted(first.keys() & second.keys())
    runs = [[results[seed] for results in (first, second)] for seed in seeds]
    if len({run["data"]["fingerprint"] for pair in runs for run in pair}) != 1:
        return {}
    true = _codes(runs[0][0], "true")
    pairs = [[_codes(run, "predicted") for run in pair] for pair in runs]
    rng = np.random.default_rng(0)
    rows = [rng.integers(len(true), size=len(true)) for _ in range(n_resamples)]

    def gains(where):
        return [_scores(true[where], a[where]) - _scores(true[where], b[where]) for a, b in pairs]

    each = np.array(gains(slice(None)))
    low, high = np.quantile(
        [np.mean(gains(where), axis=0) for where in rows], (0.025, 0.975), axis=0
    )
    return {
        score: {
            "mean": float(each[:, i].mean()),
            "low": float(low[i]),
            "high": float(high[i]),
            "least": float(each[:, i].min()),
            "most": float(each[:, i].max()),
            "n_seeds": len(seeds),
        }
        for i, score in enumerate(("accuracy", "f1_macro"))
    }


def _scores(true, predicted):
    """Return accuracy and macro-F1; scikit-learn's would take minutes for all resamples."""
    n = max(true.max(), predicted.max()) + 1
    confusion = np.bincount(true * n + predicted, minlength=n * n).reshape(n, n)
    right, seen = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return np.array([right.sum() / len(true), (2 * right[seen > 0] / seen[seen > 0]).mean()])


def _codes(run, which):
    return np.array(run["predictions"][which].split(), dtype=int)
