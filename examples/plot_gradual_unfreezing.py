"""
Gradual unfreezing of a pretrained network
==========================================

Fine-tuning in three steps: train the head on the frozen backbone, then the last stages as well,
then the whole network. Each step continues from the one before it, at a lower learning rate.

It runs on synthetic cells, without a download, in a minute or two on one core. The pretrained
network is then one that was trained on other synthetic cells, with another stain::

    python examples/plot_gradual_unfreezing.py

and on your own cells, with published weights or a file::

    python examples/plot_gradual_unfreezing.py --data cells/ --backbone resnet50 --weights default
"""

# %%
# Few cells to train on
# ---------------------
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from _script import draw_results, get_cells, make_parser, print_counts, save_figure
from safetensors.torch import save_file
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells

parser = make_parser(__doc__, n_cells=1000)
parser.add_argument("--backbone", default="cellnet_s", help="the network")
parser.add_argument("--weights", help="default, or a file; none: pretrain on synthetic cells")
parser.add_argument("--image-size", type=int, default=32, help="side that the network sees")
parser.add_argument("--epochs", type=int, default=12, help="at most, in each step")
parser.add_argument("--stages", type=int, default=2, help="stages to train in the second step")
args = parser.parse_args()

X, y = get_cells(args)
print_counts(y)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=0.3, stratify=y, random_state=args.seed
)

# %%
# A pretrained network
# --------------------
# `weights` takes a file with the tensors of the backbone. Without a file, one is written here: the
# network is trained on the cells of a laboratory whose stain varies three times as much.


def make_classifier(**options):
    """Return a classifier; only `options` differ."""
    return TransferCellClassifier(
        args.backbone,
        image_size=args.image_size,
        batch_size=16,
        max_epochs=1 if args.quick else args.epochs,
        random_state=args.seed,
        **options,
    )


folder = tempfile.TemporaryDirectory()
weights = args.weights
if weights is None:
    other = make_blood_cells(
        100 if args.quick else 1000, image_size=32, stain_variation=3, random_state=args.seed + 1
    )
    pretrained = make_classifier(weights=None).fit(*other)
    weights = Path(folder.name, "pretrained.safetensors")
    state = pretrained.net_.module_.backbones[0].body.state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, weights)

# %%
# Three steps
# -----------
# `warm_start=True` makes `fit` continue from the fitted network. Between the fits, `trainable` and
# the learning rate change. The weights of each step's best epoch go into the next step. As
# `random_state` is an integer, all steps set aside the same cells for validation.
classifier = make_classifier(
    weights=weights, warm_start=True, early_stopping=True, validation_fraction=0.2
)
steps = [
    ("head", {"trainable": "head", "lr": 3e-3}),
    (f"last {args.stages} stages", {"trainable": args.stages, "lr": 1e-3}),
    ("all", {"trainable": "all", "lr": 5e-4}),
]
curve, ends, scores = [], [], {}
for name, parameters in steps:
    classifier.set_params(**parameters).fit(X_train, y_train)
    curve += classifier.history_[:, "valid_f1_macro"]
    ends.append(len(curve))
    best = classifier.history_[classifier.best_epoch_ - 1, "valid_f1_macro"]
    scores[name] = f1_score(y_test, classifier.predict(X_test), average="macro")
    print(
        f"trained={classifier.spec_.backbones[0].trained!r}, lr={classifier.lr}: "
        f"{classifier.n_iter_} epochs, macro-F1 {best:.3f} in validation, "
        f"{scores[name]:.3f} on the test cells"
    )
draw_results(args, "gradual_unfreezing", classifier, X_test, y_test)

# %%
# The same without steps
# ----------------------
# All of it trained at once, for as many epochs as the three steps had together.
at_once = make_classifier(weights=weights, trainable="all", lr=1e-3)
at_once.set_params(max_epochs=len(curve)).fit(X_train, y_train)
scores["all at once"] = f1_score(y_test, at_once.predict(X_test), average="macro")
print(f"all at once: {len(curve)} epochs, macro-F1 {scores['all at once']:.3f} on the test cells")

# %%
# The learning curve
# ------------------
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.plot(np.arange(1, len(curve) + 1), curve, "o-", ms=3)
starts = [0, *ends[:-1]]
for start, (name, _) in zip(starts, steps, strict=True):
    left.axvline(start + 0.5, ls=":", color="gray")
    left.text(start + 0.6, 0.02, name, rotation=90, va="bottom")
left.xaxis.get_major_locator().set_params(integer=True)
left.set(xlabel="epoch", ylabel="macro-F1 of the validation cells", ylim=(0, 1))
bars = right.barh(list(scores), list(scores.values()))
right.bar_label(bars, fmt="%.3f", padding=3)
right.set(xlabel="macro-F1 of the test cells", xlim=(0, 1.15))
right.invert_yaxis()
save_figure(args, "gradual_unfreezing_steps", figure)
folder.cleanup()

# %%
# Conclusion
# ----------
# Gradual unfreezing is worth a try, and not always better: on 600 cells of PBC at 64 px, with a
# SqueezeNet of ImageNet and 12 epochs in each step, macro-F1 is 0.751, 0.846 and 0.821 after the
# three steps, and 0.954 if the whole network is trained at once for 36 epochs (one seed, 1,400 test
# cells). There, epochs in which the whole network is trained count most.
