"""Fit on a file of images and print what that took: for `data_parallel`.

python -m benchmarks._data_parallel FILE IMAGE_SIZE EPOCHS SEED [DEVICE]
"""

import json
import os
import sys
import time

import numpy as np

from skblood import TransferCellClassifier


def main(file, image_size, epochs, seed, device="cpu"):
    """Fit, and print the seconds of the epochs and the accuracy on the test images."""
    with np.load(file) as data:
        X, y, X_test, y_test = (data[name] for name in ("X", "y", "X_test", "y_test"))
    clf = TransferCellClassifier(
        "cellnet_s",
        image_size=int(image_size),
        max_epochs=int(epochs),
        random_state=int(seed),
        device=device,
    )
    busy = time.process_time()
    clf.fit(X, y)
    busy = time.process_time() - busy
    if os.environ.get("RANK", "0") == "0":
        seconds = [float(each) for each in clf.history_[:, "dur"]]
        busy *= int(os.environ.get("WORLD_SIZE", "1"))  # the others do as much
        figures = {"epochs": seconds, "busy": busy, "accuracy": float(clf.score(X_test, y_test))}
        print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
