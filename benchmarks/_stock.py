"""The stock recipes: what a user would write, with the same network.

One is skorch with a Dataset, a DataLoader and torchvision's transforms; the other is fastai. The
networks normalise their input themselves, so that `Normalize` is spared the transforms.
"""

import copy

import torch
from skorch import NeuralNetClassifier
from torch.utils.data import Dataset
from torchvision import transforms

TRANSFORM = transforms.Compose(
    [
        transforms.ToPILImage(),
        transforms.RandomHorizontalFlip(),
        transforms.RandomVerticalFlip(),
        transforms.RandomRotation(90),
        transforms.ToTensor(),
    ]
)
TEST_TRANSFORM = transforms.ToTensor()


class Images(Dataset):
    """Images of an array, transformed one by one."""

    def __init__(self, images, codes, transform=TRANSFORM):
        self.images, self.codes, self.transform = images, codes, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), int(self.codes[index])


def skorch_net(network, *, epochs, device, workers=0, lr=3e-3):
    """Return the net of the recipe, which trains a copy of a network in float32."""
    return NeuralNetClassifier(
        copy.deepcopy(network).to(memory_format=torch.contiguous_format),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=0.02,
        lr=lr,
        batch_size=64,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        iterator_train__num_workers=workers,
        train_split=None,
        device=device,
        verbose=0,
    )


def train_skorch(network, images, codes, *, epochs, device, workers=0):
    """Train by skorch, a DataLoader and torchvision's transforms."""
    net = skorch_net(network, epochs=epochs, device=device, workers=workers)
    return net.fit(Images(images, codes), y=None)


def train_fastai(network, images, codes, *, epochs, device):
    """Train by fastai: its augmentation in batches, its one-cycle schedule."""
    import fastai.callback.schedule  # noqa: F401 (it gives Learner its fit_one_cycle)
    from fastai.data.block import CategoryBlock, DataBlock
    from fastai.data.transforms import IndexSplitter
    from fastai.learner import Learner
    from fastai.losses import CrossEntropyLossFlat
    from fastai.vision.augment import aug_transforms
    from fastai.vision.core import PILImage
    from fastai.vision.data import ImageBlock

    block = DataBlock(
        blocks=(ImageBlock(PILImage), CategoryBlock),
        get_items=lambda source: range(len(source)),
        get_x=images.__getitem__,
        get_y=codes.__getitem__,
        splitter=IndexSplitter([]),
        batch_tfms=aug_transforms(flip_vert=True, max_rotate=90.0, max_warp=0.0),
    )
    loaders = block.dataloaders(images, bs=64, num_workers=0, device=torch.device(device))
    learner = Learner(loaders, copy.deepcopy(network), loss_func=CrossEntropyLossFlat())
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(epochs, 3e-3)
    return learner
