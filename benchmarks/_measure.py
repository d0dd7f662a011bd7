"""Things measured in turn, in one process, and the ratios between them.

A figure of one machine at one moment says little. A ratio of two things that ran by turns, A B A
B, says what one costs beside the other: whatever slows the machine down meets both.
"""

import gc
import statistics
import time


def alternate(candidates, repeats, *, passes=1, warm_up=True, settle=None, clock=time.perf_counter):
    """Run each candidate once a round, in the order given.

    Parameters
    ----------
    candidates : dict of str to callable
        What to run; called without arguments.
    repeats : int
        Number of rounds.
    passes : int, default=1
        How often a candidate is called in its turn, so that the turn is long enough to be timed.
    warm_up : bool, default=True
        Run each once before, unmeasured: caches fill, kernels are chosen, memory is claimed.
    settle : callable, default=None
        Called before and at the end of each run; waits for a device that works in the background.
    clock : callable
        Returns seconds.

    Returns
    -------
    seconds : dict of str to list of float
        One figure for each round, for all its passes.
    """
    settle = settle or (lambda: None)
    if warm_up:
        for run in candidates.values():
            run()
    seconds = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, run in candidates.items():
            gc.collect()  # the garbage of one is not swept up in the time of the next
            settle()
            start = clock()
            for _ in range(passes):
                run()
            settle()
            seconds[name].append(clock() - start)
    return seconds


def rates(seconds, work):
    """Turn seconds into things per second.

    Parameters
    ----------
    seconds : dict of str to list of float
        From `alternate`.
    work : int or dict of str to int
        Things that one run of each candidate does.
    """
    each = work if isinstance(work, dict) else dict.fromkeys(seconds, work)
    return {name: [each[name] / s for s in values] for name, values in seconds.items()}


def ratio(series, name, reference):
    """Summarise ``series[name] / series[reference]``, round by round."""
    pairs = zip(series[name], series[reference], strict=True)
    return summary([value / beside for value, beside in pairs])


def summary(values):
    """Return the median of some values and their spread."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def settle_on(device):
    """Return what waits for a device: nothing, for a CPU."""
    if device != "cuda":
        return None
    import torch

    return torch.cuda.synchronize


def rounds_to_fill(seconds, one_round, least=2):
    """Return how many rounds of one thing fill some seconds, and are worth timing.

    Parameters
    ----------
    seconds : float
        To be filled.
    one_round : float
        Seconds of one round.
    least : int, default=2
        Fewer are never returned.
    """
    return max(least, round(seconds / one_round))


def seconds_of(function, **options):
    """Return how long one call takes: to plan with, not to be reported."""
    start = time.perf_counter()
    function(**options)
    return time.perf_counter() - start
