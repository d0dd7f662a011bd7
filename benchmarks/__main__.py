"""Run all benchmarks, each in a process of its own.

    python -m benchmarks [--quick] [--only NAME ...] [further options of every benchmark]

The exit status is 1 when a bar is missed or a benchmark breaks off. What needs real cells is left
out, and says so, where there are none (--data or SKBLOOD_DATA_HOME). ``real_cells``, ``transfer``
and ``field``, which measure accuracy and have no short form, run by themselves:
``python -m benchmarks.real_cells``.
"""

import argparse
import subprocess
import sys

from benchmarks._command import REPOSITORY

NAMES = (
    "import_time",
    "throughput",
    "prediction",
    "precision",
    "onnx_agreement",
    "search",
    "memory",
    "scale",
    "scaling",
    "data_parallel",
    "time_to_accuracy",
    "larger_than_memory",
    "streamed_training",
    "audit",
    "leak",
    "load",
    "reliability",
    "differential",
    "intervals",
    "robust",
    "uncertainty",
    "ready_model",
    "query",
    "whole_loop",
    "label_errors",
    "unknown",
    "leave_one_out",
)


def main(argv=None, start=subprocess.call):
    """Run the benchmarks that were asked for.

    Parameters
    ----------
    argv : list of str, default=None
        The command line; what is not known here is passed on.
    start : callable
        Runs a command and returns its exit status.

    Returns
    -------
    status : int
        1 if one of them returned anything but 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="All benchmarks.")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    options, passed_on = parser.parse_known_args(argv)
    failed = []
    for name in options.only:
        print(f"== {name}", flush=True)
        if start([sys.executable, "-m", f"benchmarks.{name}", *passed_on], cwd=REPOSITORY):
            failed.append(name)
    print(f"Below the bar, or broken off: {', '.join(failed)}" if failed else "No bar was missed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
