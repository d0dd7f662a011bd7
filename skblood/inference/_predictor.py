"""The passes of a fitted network over images."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import timm
import torch

from skblood._typing import FeatureStore, Floats, Floats32, NDArray, ReadImages, Tensor
from skblood._writing import track
from skblood.images import CellImages, ImageChunks, torch_defaults
from skblood.networks import CellNetwork, NetworkSpec, configure_network, hash_weights

from ._device import autocast, autocast_dtype, resolve_device
from ._tensors import as_nchw, to_tensor

# Images in one pass at most; on a CPU, whose cache is small, also pixels.
_MAX_BATCH = {"cpu": 64, "mps": 64, "cuda": 256}
_MAX_PIXELS = 2**19
# Images that are read at a time: so many bytes of pixels, and two batches or more.
_CHUNK_BYTES, _MAX_CHUNK = 2**25, 2**13
# Sizes of the batches of smaller calls, which are filled up. Kernels depend on the size of a batch:
# with these few, an image has the same probabilities alone and among others, to 1e-6. In bfloat16,
# matrix products of a single row are rounded in another way, so that a pair is the smallest.
_LADDER = (1, 2, 4, 8, 16, 32)

# On CPUs with AMX, bfloat16 convolutions of oneDNN give wrong values where maps get one pixel wide,
# which they do in images of at most so many pixels (seen in torch 2.15).
_NARROW = 16

# Raise this when the package computes other features from the same settings.
_VERSION = 2


class Predictor:
    """Apply a fitted network to images, in batches of the device's size.

    Parameters
    ----------
    network : CellNetwork
        Moved to the device.
    spec : NetworkSpec
    device : str or torch.device
    store : FeatureStore or None, default=None
        Keeps the features of frozen backbones.
    """

    def __init__(
        self,
        network: CellNetwork,
        spec: NetworkSpec,
        device: str | torch.device,
        store: FeatureStore | None = None,
    ) -> None:
        self.device = resolve_device(device)
        self.network = network.to(self.device).eval()
        self.spec = spec
        self.store = store
        self._weights_hash = None

    @property
    def dtype(self) -> torch.dtype:
        """Precision of passes over pixels, a torch.dtype."""
        return pass_dtype(self.spec, self.device)

    @property
    def max_batch(self) -> int:
        """Images in one pass at most."""
        if self.device.type != "cpu":
            return _MAX_BATCH[self.device.type]
        height, width, _ = self.spec.image_shape
        return min(_MAX_BATCH["cpu"], max(16, _MAX_PIXELS // (height * width)))

    @property
    def chunk_size(self) -> int:
        """Images to be read at a time: whole batches, so that chunks change no result."""
        n_bytes = prod(self.spec.accepted_shape) * (1 if self.spec.is_pixels else 4)
        n_batches = min(_CHUNK_BYTES // n_bytes, _MAX_CHUNK) // self.max_batch
        return self.max_batch * max(2, n_batches)

    @torch_defaults()
    def with_spec(self, spec: NetworkSpec, device: str | torch.device | None = None) -> Predictor:
        """Return a predictor with a copy of the network under another specification.

        Parameters
        ----------
        spec : NetworkSpec
        device : str or torch.device, default=None
            None keeps the device.

        Returns
        -------
        predictor : Predictor
            With the same feature store.
        """
        network = copy.deepcopy(self.network)
        configure_network(network, spec)
        return Predictor(network, spec, device or self.device, self.store)

    def __getstate__(self):
        """Leave the network out of copies and pickles: the estimator has it and gives it back."""
        return {**vars(self), "network": None}

    def logits(self, images: ReadImages) -> Floats:
        """Return the logits, those of `class_factors` included.

        Parameters
        ----------
        images : CellImages or ImageChunks
            The latter are read here, so that no more than some chunks are in memory.

        Returns
        -------
        logits : ndarray of shape (n, n_classes), dtype float64

        Raises
        ------
        ValueError
            If the network gives no finite number for an image, as in all methods.
        """
        out = self._map(lambda some: self._head(self.network.forward, some), images)
        return out.astype(np.float64) + self.spec.log_factors

    def penultimate(self, images: ReadImages) -> Floats32:
        """Return the input of the output layer for images, float32 of shape (n, d)."""
        return self._map(lambda some: self._head(self.network.penultimate, some), images)

    def features(self, images: ReadImages) -> Floats32:
        """Return the backbones' features of images, float32 of shape (n, d).

        Those of frozen backbones are looked up in the store, and computed if they are not there.

        Parameters
        ----------
        images : CellImages or ImageChunks
            As for `logits`.

        Returns
        -------
        features : ndarray of shape (n, d), dtype float32
            Of several backbones, concatenated.
        """
        return self._map(self._features, images)

    def run(self, step: Callable[[Tensor], Tensor], images: ReadImages | NDArray[Any]) -> Floats32:
        """Apply a step of the network to all images, in evaluation mode.

        Parameters
        ----------
        step : callable
            Maps prepared images ``(n, c, h, w)``, or features ``(n, d)``, to ``(n, k)``.
        images : CellImages, ImageChunks, ndarray of shape (n, h, w, c), or features (n, d)

        Returns
        -------
        out : ndarray of shape (n, k), dtype float32

        Raises
        ------
        ValueError
            If an output is not finite.
        MemoryError
            If the device has no memory for one image.
        """
        return self._map(lambda some: self._run_unchecked(step, some), images)

    def _map(self, compute, images):
        """Return the rows that are computed of all images, chunk by chunk; all are finite."""
        if not isinstance(images, ImageChunks):
            return _check_finite(compute(images))
        out, done = None, 0
        with track(len(images), "network") as update:
            for some in images:
                rows = compute(some)
                out = np.empty((len(images), *rows.shape[1:]), rows.dtype) if out is None else out
                out[done : done + len(rows)] = rows
                done += len(rows)
                update(len(rows))
        return _check_finite(out[:done])

    def _features(self, images):
        if self.store is None or not self.spec.frozen:
            return self._run_unchecked(self.network.encode, images)

        def compute(rows):
            update(len(rows))
            return self._run_unchecked(self.network.encode, images.pixels[rows])

        key = self._network_key(images.pixels)
        with track(len(images), "features") as update:
            return self.store.fetch(key, images.keys, compute, batch_size=self.max_batch)

    def _head(self, step, images):
        """Apply a step from the pixels, or from the features of frozen backbones."""
        if not self.spec.frozen:
            return self._run_unchecked(step, images)
        features = self._features(images)
        out = self._run_unchecked(step, features)
        out[~np.isfinite(features).all(axis=1)] = np.nan  # a ReLU would hide some
        return out

    @torch_defaults()
    @torch.inference_mode()
    def _run_unchecked(self, step, images):
        if self.network.training:
            self.network.eval()
        images = images.pixels if isinstance(images, CellImages) else images
        stored = to_tensor(images, self.device)
        low = stored.dtype == torch.uint8 and self.dtype != torch.float32
        # Rows of numbers cost little; theirs is one size, since scikit-learn's checks ask for 1e-7.
        n = max(len(stored), 1 + low) if self.spec.is_pixels else self.max_batch
        largest, out, done = self.max_batch, [], 0
        size = next((size for size in _LADDER if n <= size < largest), largest)
        # One context for all batches: it keeps the weights that it has converted.
        shown = track(len(stored), "network")
        with autocast(stored, self.dtype, self.device), shown as update:
            while done < len(stored):
                batch = stored[done : done + size].to(self.device)
                try:
                    out.append(self._pass(step, batch, size))
                    done += len(batch)
                    update(len(batch))
                except torch.OutOfMemoryError as error:
                    size = self._smaller(size, images, error)
        return np.concatenate(out)

    def _pass(self, step, batch, size):
        # A copy: kernels depend on the strides, too, and those are the caller's.
        batch = batch.clone(memory_format=torch.contiguous_format)
        n = len(batch)
        if n < size:
            batch = torch.cat([batch, batch[:1].expand(size - n, *batch.shape[1:])])
        return step(self.network.prepare(as_nchw(batch)))[:n].float().cpu().numpy()

    def _smaller(self, size, images, error):
        if size == 1:
            raise MemoryError(
                f"Device {self.device} has too little memory for the network and {size} images of "
                f"shape {images.shape[1:]}. Set device='cpu' or a smaller image_size."
            ) from error
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return size // 2

    def _network_key(self, pixels):
        """Return a hash of all that features depend on but the images.

        The weights are hashed once: a fitted network does not change.
        """
        if self._weights_hash is None:
            digest = hashlib.blake2b(repr(self.network.backbones).encode(), digest_size=16)
            hash_weights(self.network.backbones, digest)
            self._weights_hash = digest.digest()
        settings = (
            _VERSION,
            torch.__version__,
            timm.__version__,
            self.spec.image_size,
            self.spec.interpolation,
            str(self.dtype),
            self.device.type,
            pixels.shape[1:],
            pixels.dtype.str,
        )
        content = repr(settings).encode() + self._weights_hash
        return hashlib.blake2b(content, digest_size=16).digest()


def _check_finite(out):
    odd = np.flatnonzero(~np.isfinite(out).all(axis=1))
    if len(odd):
        raise ValueError(
            f"The network gives no finite number for {len(odd)} of {len(out)} images, the first is "
            f"X[{odd[0]}]. Check their values and the weights, or fit with a lower lr."
        )
    return out


def pass_dtype(spec, device):
    """Return the precision of passes over pixels, as a torch.dtype."""
    height, width, _ = spec.image_shape
    if device.type == "cpu" and (height > width or width <= _NARROW):
        return torch.float32
    return autocast_dtype(spec.precision, device)
