"""Train the ready model: ``python -m benchmarks.pretrain --out FOLDER [--seeds 0 1 2]``.

It is trained on PBC's `train` images and on nothing else; `val` chose the recipe, together with the
simulated laboratories of `benchmarks.robust`, and `test` is looked at here, in the end. Each seed
gives ``pbc8-SEED.safetensors``, as `skblood.save` writes it, and a line of figures. A training that
was broken off goes on from where it was.
"""

import argparse
import copy
import json
from pathlib import Path

import torch

from benchmarks._command import find_cells
from skblood import TrainingCheckpoint, TransferCellClassifier, reconfigure, save
from skblood.augment import LaboratoryAugment
from skblood.datasets import load_image_folder

EPOCHS = 45
# Of the refinement, and the share of the cells that still are shown as other laboratories might.
REFINEMENT_EPOCHS = 14
SHARE = 0.2


def make(**options):
    """Return the estimator of the recipe, not fitted."""
    recipe = {
        "image_size": 96,
        "standardize": "image",
        "augment": "laboratory",
        "hidden_layer_sizes": (),
        "dropout": 0.0,
        "max_epochs": EPOCHS,
    }
    return TransferCellClassifier("cellnet_s", **recipe | options)


def refine(model, X, y):
    """Train on with most of the cells as they are, and go half of the way there.

    What is as it was at home is then known better, and what is not, worse. The mean of the weights
    before and after has most of the one, and little of the other (Wortsman et al. 2022: Robust
    fine-tuning of zero-shot models, CVPR).
    """
    recipe = {name: model.get_params()[name] for name in ("augment", "lr", "max_epochs")}
    before = copy.deepcopy(model.net_.module_.state_dict())
    augment = LaboratoryAugment(share=SHARE)
    model.set_params(augment=augment, lr=1e-3, max_epochs=REFINEMENT_EPOCHS, warm_start=True)
    after = model.fit(X, y).net_.module_.state_dict()
    for name, value in after.items():
        if value.is_floating_point():  # and no counter
            value.copy_(torch.lerp(before[name], value, 0.5))
    # What starts from the model afterwards, starts by the recipe.
    return model.set_params(**recipe, warm_start=False)


def main(argv=None):
    """Train a model for each seed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pretrain", description=__doc__)
    parser.add_argument("--data", type=Path, help="train and test folders")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the models")
    options = parser.parse_args(argv)
    options.data = options.data or find_cells()
    if options.data is None:
        parser.error("--data: the folder that holds train and test is needed")
    X, y = load_image_folder(options.data / "train", return_X_y=True)
    X_test, y_test = load_image_folder(options.data / "test", return_X_y=True)
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        checkpoint = TrainingCheckpoint(options.out / "checkpoints")
        settings = {"random_state": seed, "callbacks": [checkpoint], "verbose": 2}
        model = make(max_epochs=options.epochs, **settings)
        model = reconfigure(refine(model.fit(X, y), X, y), dihedral_views=8)
        model.set_params(callbacks=None)
        path = save(model, options.out / f"pbc8-{seed}.safetensors")
        figures = {"seed": seed, "epochs": options.epochs, "test": model.score(X_test, y_test)}
        print(json.dumps({"file": str(path), **figures}), flush=True)


if __name__ == "__main__":
    main()
