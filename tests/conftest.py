"""Shared fixtures, and the conditions under which `real` and `gpu` tests run."""

import os
from pathlib import Path

# Before torch, numpy and matplotlib are imported. One thread: the networks here are tiny, and
# several would wait for one another, for minutes on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def find_real_data():
    """Return the folder of the real data, or None and the reason for which there is none."""
    named = os.environ.get("SKBLOOD_DATA_HOME")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if (folder / "pbc").is_dir():
        return folder, None
    origin = f"SKBLOOD_DATA_HOME={named}" if named else "SKBLOOD_DATA_HOME is not set and ../shared"
    return None, f"no real data ({origin} holds no pbc folder): set SKBLOOD_DATA_HOME to its parent"


def pytest_collection_modifyitems(items):
    _, why_no_data = find_real_data()
    real = [item for item in items if item.get_closest_marker("real")]
    if why_no_data:
        for item in real:
            item.add_marker(pytest.mark.skip(reason=why_no_data))

    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu and not _has_cuda():
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def _has_cuda():
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def real_data():
    """Folder of the real data: it holds `pbc` (and may hold `wbc_tecom`)."""
    folder, why_none = find_real_data()
    if folder is None:
        pytest.skip(why_none)
    return folder


@pytest.fixture
def empty_feature_store():
    """Empty the feature store of this process before and after: for tests that count its use."""
    from skblood.inference import FeatureStore

    FeatureStore().clear()
    yield
    FeatureStore().clear()


@pytest.fixture(scope="session")
def cells():
    """(X, y): 240 synthetic cells of 32 x 32 pixels. Shared: do not write into them."""
    from skblood.datasets import make_blood_cells

    X, y = make_blood_cells(240, image_size=32, random_state=0)
    X.setflags(write=False)
    return X, y
