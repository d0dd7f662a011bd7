"""Image keys, a network that counts its passes, and stores of both kinds."""

import numpy as np
import pytest

from skblood.inference import FeatureStore


class Network:
    """Computes features from the keys alone: any bits, so also NaN, infinity and -0."""

    def __init__(self, width=5):
        self.width = width
        self.seen = []  # positions, call by call

    def features(self, keys):
        factors = 2 * np.arange(self.width, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (keys[:, :1] ^ (keys[:, 1:] << np.uint64(7))) * factors
        return (mixed >> np.uint64(32)).astype(np.uint32).view(np.float32)

    def on(self, keys):
        """Return the `compute` argument for these keys."""

        def compute(rows):
            self.seen.append(rows.tolist())
            return self.features(keys[rows])

        return compute

    @property
    def all_seen(self):
        return sorted(row for rows in self.seen for row in rows)

    def made(self, features, keys):
        """Return whether these are the features of the keys, bit for bit."""
        expected = self.features(keys).view(np.uint32)
        return features.dtype == np.float32 and np.array_equal(features.view(np.uint32), expected)


@pytest.fixture
def make_network():
    return Network


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def make_keys():
    """Return keys of n images, the same for the same seed."""

    def make(n, seed=0):
        return np.random.default_rng(seed).integers(2**64, size=(n, 2), dtype=np.uint64)

    return make


@pytest.fixture(params=["folder", "memory"])
def location(request, tmp_path, empty_feature_store):
    return tmp_path / "store" if request.param == "folder" else None


@pytest.fixture
def store(location):
    return FeatureStore(location)


@pytest.fixture
def refuse():
    """Return a `compute` that must not be called."""

    def compute(rows):
        pytest.fail(f"rows {rows.tolist()} were computed")

    return compute
