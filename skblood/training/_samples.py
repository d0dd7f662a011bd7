"""The images of a fit on the device, and the batches that an epoch takes from them."""

from dataclasses import dataclass

import torch

from skblood.inference import as_nchw


@dataclass
class Samples:
    """Images, and the visits that an epoch pays them.

    Attributes
    ----------
    images : torch.Tensor of shape (n, h, w, c), (n, d) or (n, n_views, d)
        uint8 pixels, float32 rows, or features that were computed before.
    rows : torch.Tensor of shape (m,)
        The image of each visit. An image may be visited several times or never.
    targets : torch.Tensor of shape (m,)
        The class code of each visit.
    weights : torch.Tensor of shape (m,)
        What each visit's loss is multiplied with.
    """

    images: torch.Tensor
    rows: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor

    def take(self, visits):
        """Return the images of some visits; of several views, one drawn for each visit."""
        rows = self.rows[visits].to(self.images.device)
        if self.images.ndim != 3:
            return self.images.index_select(0, rows)
        views = torch.randint(self.images.shape[1], rows.shape, device=rows.device)
        return self.images[rows, views]

    def __len__(self):
        return len(self.rows)

    def batches(self, batch_size, device, shuffle=False):
        """Return what iterates over one epoch of batches, anew each time."""
        return Batches(self, batch_size, device, shuffle)


@dataclass
class Batches:
    """One epoch of ``(images, (targets, weights))`` on `device`.

    Attributes
    ----------
    visits_ : sequence of torch.Tensor
        The visits of each batch, once the epoch has begun.
    """

    samples: Samples
    batch_size: int
    device: torch.device
    shuffle: bool

    def __len__(self):
        # Batch normalisation has no statistics of one image alone.
        n = len(self.samples)
        return max(1, min(-(-n // self.batch_size), n // 2))

    def __iter__(self):
        samples = self.samples
        n = len(samples)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        # Batches of nearly equal size: a small last one would count as much as the others.
        self.visits_ = torch.tensor_split(order, len(self))
        for visits in self.visits_:
            images = as_nchw(samples.take(visits).to(self.device))
            targets = samples.targets[visits].to(self.device)
            yield images, (targets, samples.weights[visits].to(self.device))
