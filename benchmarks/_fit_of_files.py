"""Train on the image files of a folder and print what that took: for `larger_than_memory`.

python -m benchmarks._fit_of_files CELLS MEMORY THREADS
"""

import itertools
import json
import sys
import time

import torch

from benchmarks._memory_of_fit import peak
from skblood import TransferCellClassifier
from skblood.datasets import load_image_folder
from skblood.images import _decode


def main(cells, memory, threads):
    """Fit for one epoch and print the peak, the times and the number of decoded files."""
    if int(threads):
        torch.set_num_threads(int(threads))
    paths, y = load_image_folder(cells, return_X_y=True)
    clf = TransferCellClassifier(image_size=64, max_epochs=1, memory=memory, random_state=0)
    decoded = count_calls(_decode, "_read_file")
    start = time.perf_counter()
    clf.fit(paths, y)
    seconds, training = time.perf_counter() - start, sum(clf.history_[:, "dur"])
    figures = {
        "peak_gb": peak("cpu") / 1e9,
        "reading_s": seconds - training,
        "training_s": training,
        "decoded": next(decoded),
    }
    print(json.dumps(figures))


def count_calls(module, name):
    """Let a function of a module count its calls; the next of what is returned is their number."""
    function, calls = getattr(module, name), itertools.count()

    def counting(*args):
        next(calls)  # in one step, whichever thread calls
        return function(*args)

    setattr(module, name, counting)
    return calls


if __name__ == "__main__":
    main(*sys.argv[1:])
