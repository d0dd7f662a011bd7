"""Train in this process and print how much memory that took: for `benchmarks.memory`.

python -m benchmarks._memory_of_fit {ours,bare} NETWORK N_IMAGES DEVICE THREADS
"""

import json
import sys
from pathlib import Path

import torch

from benchmarks import _bare
from benchmarks._networks import NETWORKS, module_of, noise


def main(way, name, n, device, threads):
    """Train on `n` images and print the peaks before and after."""
    if int(threads):
        torch.set_num_threads(int(threads))
    network = NETWORKS[name]
    example = network.fitted(device)  # the modules, the kernels, and the network of the bare loop
    before = peak(device)
    X, y = noise(int(n), network.image_size)
    if way == "ours":
        network.estimator(max_epochs=2, device=device).fit(X, y)
    else:
        dtype = _bare.autocast_dtype(device)
        _bare.train(module_of(example), X, _bare.codes_of(y), epochs=2, device=device, dtype=dtype)
    print(json.dumps({"before": before, "peak": peak(device), "images": X.nbytes}))


def peak(device):
    """Return the most bytes that this process has held so far."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    try:
        # Unlike getrusage, this does not count what the parent held before the fork.
        status = Path("/proc/self/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except OSError:
        import resource  # Windows has none

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main(*sys.argv[1:])
