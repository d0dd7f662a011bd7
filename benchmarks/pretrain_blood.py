"""Train the ready model: ``python -m benchmarks.pretrain_blood --weights FILE --out FILE``.

It is trained on PBC's `train` images, with the attributes that pathologists gave to them (WBCAtt),
and on the cells of Chulalongkorn University. `--weights` are ImageNet weights of timm's
``tf_efficientnet_lite0``. PBC's `val` and three further laboratories chose the recipe, none of
which trains the model: see its card. A training that was broken off goes on from where it was.
"""

import argparse
import copy
import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks._cell_views import random_colors, random_frame, random_resolution
from benchmarks._command import find_cells
from skblood import TransferCellClassifier, measure_cells, reconfigure, save
from skblood.datasets import load_image_folder
from skblood.estimators import replace_network
from skblood.images import read_images

SIDE = 112
BATCH = 32
# Cells of the second laboratory in a batch.
N_OTHERS = 5
# Of the attributes, those that do not name a color: it is what differs between laboratories.
ATTRIBUTES = [
    "cell_size",
    "cell_shape",
    "nucleus_shape",
    "nuclear_cytoplasmic_ratio",
    "chromatin_density",
    "cytoplasm_vacuole",
    "cytoplasm_texture",
    "granule_type",
    "granularity",
]
ATTRIBUTE_LOSS = 0.3
SMOOTHING = 0.05
LR = 5e-4
WARM_UP = 300
# The last part of the training, in which the learning rate falls to 0.
DECAY = 0.25
CHECKPOINT_STEPS = 250
# Weights are averaged over about so many steps (Izmailov et al. 2018) ...
AVERAGED_STEPS = 1000
# ... and a third of the model are such averages of the middle of the training: then it knows other
# laboratories better, and at the end its own (Wortsman et al. 2022).
SNAPSHOTS = (2000, 3750)
SNAPSHOTS_SHARE = 1 / 3


class Cells:
    """Training cells in memory, drawn with given weights.

    Parameters
    ----------
    images : torch.Tensor of shape (n, 3, h, h), dtype uint8
    codes, weights : ndarray of shape (n,)
        Class codes, and how often each is drawn.
    attributes : ndarray of shape (n, n_attributes), default=None
        Code of each attribute, -1 where it is not known; None if none is.
    """

    def __init__(self, images, codes, weights, attributes=None):
        self.images, self.codes = images, torch.as_tensor(codes)
        self.weights = torch.as_tensor(weights / weights.sum())
        empty = np.full((len(codes), len(ATTRIBUTES)), -1)
        self.attributes = torch.as_tensor(empty if attributes is None else attributes)

    def draw(self, n):
        """Return the positions of n cells."""
        return torch.multinomial(self.weights, n, replacement=True)


def read_pbc(folder, table):
    """Read PBC; rare classes are drawn less often than others, by the root of their number."""
    paths, y = load_image_folder(folder, return_X_y=True)
    classes, codes = np.unique(y, return_inverse=True)
    table = pd.read_csv(table).drop_duplicates("file").set_index("file")
    known = table.reindex([Path(path).stem for path in paths])[ATTRIBUTES]
    attributes = np.stack([pd.Categorical(known[name]).codes for name in known], 1)
    weights = 1 / np.sqrt(np.bincount(codes))[codes]
    return classes, Cells(_read(paths), codes, weights, attributes.astype(int))


def read_others(folder, classes):
    """Read the second laboratory: classes alike, and within them slides by the root of their size.

    Some of its classes are of few slides, whose colors would be learnt in place of the cells.
    """
    table = pd.read_csv(folder / "cells.csv")
    sizes = table.groupby(["label", "group"])["path"].transform("size")
    weights = 1 / np.sqrt(sizes)
    weights = weights / weights.groupby(table["label"]).transform("sum")
    codes = np.searchsorted(classes, table["label"])
    return Cells(_read([folder / path for path in table["path"]]), codes, weights.to_numpy())


def _read(paths, side=128):
    return torch.from_numpy(read_images(paths, size=(side, side))).permute(0, 3, 1, 2)


def draw_batch(cells, others, neighbors):
    """Return random views, class codes and attributes of cells of both laboratories."""
    rows, other_rows = cells.draw(BATCH - N_OTHERS), others.draw(N_OTHERS)
    views = random_frame(cells.images[rows], SIDE, neighbors)
    other_views = random_frame(others.images[other_rows], SIDE)
    images = torch.cat([random_colors(views), random_colors(other_views, share=1.0)])
    codes = torch.cat([cells.codes[rows], others.codes[other_rows]])
    attributes = torch.cat([cells.attributes[rows], others.attributes[other_rows]])
    images = random_resolution(images).contiguous(memory_format=torch.channels_last)
    return images, codes, attributes


def attribute_loss(logits, attributes, sizes):
    """Return the mean cross entropy of the attributes that are known."""
    losses = []
    for part, codes in zip(logits.split(sizes, 1), attributes.T, strict=True):
        if (codes >= 0).any():
            losses.append(F.cross_entropy(part, codes, ignore_index=-1))
    return sum(losses) / len(sizes)


def train(network, cells, others, neighbors, n_steps, checkpoint):
    """Train a network, and return one with the mean of its weights at several times."""
    sizes = (cells.attributes.amax(0) + 1).tolist()
    heads = nn.Linear(network.head[-1].in_features, sum(sizes))
    groups = [{"params": network.parameters()}, {"params": heads.parameters(), "lr": 3 * LR}]
    optimizer = torch.optim.AdamW(groups, lr=LR, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, n_steps))
    mean = copy.deepcopy(network)
    parts = {"network": network, "heads": heads, "mean": mean}
    parts |= {"optimizer": optimizer, "schedule": schedule}
    start = _resume(parts, checkpoint)
    for step in range(start, n_steps):
        images, codes, attributes = draw_batch(cells, others, neighbors)
        network.train()
        features = network.head[:-1](network.encode(images))
        loss = F.cross_entropy(network.head[-1](features), codes, label_smoothing=SMOOTHING)
        loss = loss + ATTRIBUTE_LOSS * attribute_loss(heads(features), attributes, sizes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        _average(mean, network, min(1 - 1 / AVERAGED_STEPS, (step + 1) / (step + 20)))
        if step + 1 in SNAPSHOTS:
            torch.save(mean.state_dict(), checkpoint.with_suffix(f".{step + 1}"))
        if (step + 1) % CHECKPOINT_STEPS == 0:
            print(f"{step + 1} steps, loss {loss.item():.3f}", flush=True)
            states = {name: part.state_dict() for name, part in parts.items()}
            torch.save({**states, "step": step + 1}, checkpoint)
    files = [checkpoint.with_suffix(f".{step}") for step in SNAPSHOTS if step <= n_steps]
    snapshots = [torch.load(file, weights_only=True) for file in files]
    for name, value in mean.state_dict().items():
        if snapshots and value.is_floating_point():
            middle = torch.stack([each[name] for each in snapshots]).mean(0)
            value.lerp_(middle, SNAPSHOTS_SHARE)
    return mean


def rate(step, n_steps):
    """Return the learning rate of a step, as a share of the highest."""
    left = (n_steps - step) / (DECAY * n_steps)
    fall = 1.0 if left >= 1 else 0.5 - 0.5 * math.cos(math.pi * left)
    return min(1.0, (step + 1) / WARM_UP) * fall


def _resume(parts, checkpoint):
    """Load a checkpoint, if there is one, and return the number of its steps."""
    if not checkpoint.exists():
        return 0
    states = torch.load(checkpoint, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(states[name])
    torch.manual_seed(states["step"])
    return states["step"]


@torch.no_grad()
def _average(mean, network, keep):
    """Move averaged weights and statistics towards those of the network."""
    for old, new in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - keep)


def class_weights(classes, cells, others):
    """Return the weights of the classes that make their shares those in which cells are drawn."""
    n_others = N_OTHERS / BATCH
    drawn = [torch.bincount(each.codes, each.weights, len(classes)) for each in (cells, others)]
    shares = (1 - n_others) * drawn[0] + n_others * drawn[1]
    counts = torch.bincount(torch.cat([cells.codes, others.codes]), minlength=len(classes))
    weights = shares * counts.sum() / counts
    return dict(zip(classes.tolist(), weights.tolist(), strict=True))


def main(argv=None):
    """Train the model and write it."""
    prog = "python -m benchmarks.pretrain_blood"
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that holds pbc and labs/chula")
    parser.add_argument("--weights", type=Path, required=True, help="of tf_efficientnet_lite0")
    parser.add_argument("--steps", type=int, default=5500, help="of 32 cells")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="file of the model")
    options = parser.parse_args(argv)
    home = options.data or (find_cells() and find_cells().parents[1])
    if home is None:
        parser.error("--data: the folder that holds pbc and labs/chula is needed")
    torch.manual_seed(options.seed)
    folders = [home / "pbc" / "128px" / "train", home / "labs" / "chula"]
    classes, cells = read_pbc(folders[0], home / "pbc" / "wbcatt.csv")
    others = read_others(folders[1], classes)
    recipe = {"image_size": SIDE, "standardize": "image", "hidden_layer_sizes": (), "dropout": 0.2}
    recipe |= {"class_weight": class_weights(classes, cells, others), "weights": options.weights}
    # A fit that trains next to nothing, for what is fitted beside the weights: classes, data.
    model = TransferCellClassifier("cell_lite0", lr=1e-9, max_epochs=1, augment=None, **recipe)
    paths, labels = zip(*(load_image_folder(f, return_X_y=True) for f in folders), strict=True)
    model.fit(np.concatenate(paths), np.concatenate(labels))
    neighbors = cells.images[cells.codes == list(classes).index("platelet")]
    checkpoint = options.out.with_suffix(".checkpoint")
    mean = train(model.net_.module_, cells, others, neighbors, options.steps, checkpoint)
    model = replace_network(model, model.spec_, mean)
    # Cells of the second laboratory, cut out by their own box, say nothing of the size to expect.
    sizes = measure_cells(paths[0][::20]).white_cell_sizes
    model.training_data_["cell_size"] = float(np.median(sizes))
    note = f"{options.steps} steps of {BATCH} cells: see the card of blood8-2"
    model.fit_settings_ |= {"lr": repr(LR), "max_epochs": note, "augment": note}
    model.set_params(lr="auto", augment="laboratory", max_epochs=30)
    # Cells of other laboratories fill their images less than those of PBC: a closer look helps.
    model = reconfigure(model, dihedral_views=2, view_crops=(0.9, 0.8, 0.72))
    model.net_.module_.half()  # half the bytes; `load_pretrained` computes in float32
    save(model, options.out)


if __name__ == "__main__":
    main()
