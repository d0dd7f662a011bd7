"""Images of a fit on the device, and the batches of an epoch."""

from dataclasses import dataclass

import torch

from skblood.inference import as_nchw


@dataclass
class Samples:
    """Images, and the samples of an epoch.

    Attributes
    ----------
    images : torch.Tensor of shape (n, h, w, c) or (n, d)
        uint8 pixels, float32 rows, or features that were computed before.
    rows : torch.Tensor of shape (m,)
        The image of each sample. An image may be drawn several times or never.
    targets : torch.Tensor of shape (m,)
        The class code of each sample.
    weights : torch.Tensor of shape (m,)
        Factor of each sample's loss.
    """

    images: torch.Tensor
    rows: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor

    def __post_init__(self):
        self.rows, self.targets = torch.as_tensor(self.rows), torch.as_tensor(self.targets)
        self.weights = torch.as_tensor(self.weights, dtype=torch.float32)

    def __len__(self):
        return len(self.rows)

    def batches(self, batch_size, device, shuffle=False, processes=None):
        """Return an iterable over the batches of an epoch."""
        return Batches(self, batch_size, device, shuffle, processes)


@dataclass
class Batches:
    """One epoch of ``(images, (targets, weights))`` on `device`.

    Attributes
    ----------
    processes : Processes or None
        They share the images of each batch; targets and weights are those of the whole batch.
    indices_ : sequence of torch.Tensor
        The samples of each batch, once the epoch has begun.
    """

    samples: Samples
    batch_size: int
    device: torch.device
    shuffle: bool
    processes: object = None

    def __len__(self):
        # Batch normalization has no statistics of a single image, and each process needs one.
        n, least = len(self.samples), 2 if self.processes is None else max(2, self.processes.size)
        return max(1, min(-(-n // self.batch_size), n // least))

    def positions(self, batch):
        """Return the positions of the images of a batch."""
        return self.samples.rows[self.indices_[batch]].tolist()

    def __iter__(self):
        samples = self.samples
        # Samples are sorted by the content of the images, so that a seeded fit does not depend on
        # the order in which they were given, which differs from one file system to the next.
        order = torch.randperm(len(samples)) if self.shuffle else samples.rows.argsort(stable=True)
        if self.processes is not None:
            order = self.processes.broadcast(order)
        # Batches of nearly equal size: a small last one would count as much as the others.
        self.indices_ = torch.tensor_split(order, len(self))
        for indices in self.indices_:
            own = indices if self.processes is None else self.processes.split(indices)
            rows = samples.rows[own].to(samples.images.device)
            images = as_nchw(samples.images.index_select(0, rows).to(self.device))
            targets = samples.targets[indices].to(self.device)
            yield images, (targets, samples.weights[indices].to(self.device))
