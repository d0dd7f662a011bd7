"""Measure how the speed of training changes with the images, their size and the batch.

Run by ``python -m benchmarks.scaling [--quick] [--only ROW ...] [--device cuda]``.
"""

import sys
from functools import partial

from benchmarks._command import Benchmark, Row, run
from benchmarks._measure import alternate, rates, ratio, settle_on, summary
from benchmarks._networks import noise
from benchmarks._report import Bar
from skblood import MLPCellClassifier, TransferCellClassifier

TEXT = """\
Images per second of a whole `fit` of one epoch, on noise. The values of a row run in turn in one
process; "beside the first" is the median over the rounds (least..most) of the ratio to the first
value's speed. "time per image" compares the last number of images with the one ten times smaller:
1 is linear, and the bar is on it."""
COLUMNS = {
    "n_images": ("images", "d"),
    "images_per_second": ("images/s", ".0f"),
    "beside_first": ("beside the first", ".2f"),
    "time_per_image": ("time per image, beside a tenth of the images", ".2f"),
}


def measure(values, quick_values, prepare, options):
    """Fit at each of the values, by turns."""
    values = quick_values if options.quick else values
    fits, work = {}, {}
    for value in values:
        classifier, n, image_size = prepare(value, options.quick)
        classifier.set_params(max_epochs=1, device=options.device, random_state=0)
        fits[str(value)] = partial(classifier.fit, *noise(n, image_size))
        work[str(value)] = n
    taken = alternate(fits, options.repeats, settle=settle_on(options.device))
    speed = rates(taken, work)
    first, last = str(values[0]), str(values[-1])
    steps = {
        value: {
            "images_per_second": summary(speed[value]),
            "beside_first": ratio(speed, value, first),
            "n_images": work[value],
        }
        for value in speed
    }
    tenth = str(values[-1] // 10)
    if tenth in speed:
        steps[last]["time_per_image"] = ratio(speed, tenth, last)
    return {"steps": steps, **steps[last]}


def of_many(n, quick):
    return MLPCellClassifier((1024,)), n, 28


def of_size(image_size, quick):
    classifier = TransferCellClassifier("cellnet_t", image_size=image_size)
    return classifier, 128 if quick else 1024, image_size


def of_batch(batch_size, quick):
    classifier = TransferCellClassifier("cellnet_t", batch_size=batch_size)
    return classifier, 1024 if quick else 8192, 28


def lines(name, figures):
    """Return a line for each value of a row."""
    return [(f"{name} {value}", step) for value, step in figures["steps"].items()]


BENCHMARK = Benchmark(
    "scaling",
    "Scaling of training",
    TEXT,
    {
        "images": Row(
            "MLP, 1024 units, 28 px",
            partial(measure, (1_000, 3_000, 10_000, 30_000, 100_000), (200, 600, 2_000), of_many),
            {"time_per_image": Bar("<=", 1.3)},
        ),
        "image_size": Row("cellnet_t", partial(measure, (28, 64, 128, 224), (28, 64), of_size)),
        "batch_size": Row(
            "cellnet_t, 28 px",
            partial(measure, (16, 32, 64, 128, 256, 512), (16, 64), of_batch),
        ),
    },
    COLUMNS,
    repeats=3,
    lines=lines,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
