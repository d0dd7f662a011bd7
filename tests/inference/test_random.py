"""Seeds, and generators that stay as they were."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch

from skblood.inference import draw_seed, generator_states, restore_generators, seeded

CPU = torch.device("cpu")


class TestSeeded:
    def test_same_seed_same_numbers(self):
        drawn = []
        for outer, seed in ((0, 3), (1, 3), (1, 4)):
            torch.manual_seed(outer)
            with seeded(seed, CPU):
                drawn.append(torch.rand(5).tolist())
        assert drawn[0] == drawn[1] != drawn[2]

    @pytest.mark.parametrize("fails", [False, True])
    def test_generators_outside_are_untouched(self, fails):
        before, of_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
        try:
            with seeded(3, CPU), seeded(4, CPU):
                torch.rand(5)
                if fails:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            assert fails
        assert torch.equal(torch.get_rng_state(), before)
        assert np.array_equal(np.random.get_state()[1], of_numpy)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    @pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
    def test_fork_while_another_thread_holds_the_lock(self):
        """A child would wait for ever for a thread that it does not have."""
        held, release = threading.Event(), threading.Event()

        def hold():
            with seeded(0, CPU):
                held.set()
                release.wait(60)

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        assert held.wait(30)
        child = os.fork()
        if child == 0:
            with seeded(0, CPU):
                os._exit(7)
        try:
            deadline, status = time.monotonic() + 30, None
            while status is None and time.monotonic() < deadline:
                ended, code = os.waitpid(child, os.WNOHANG)
                status = code if ended else None
                time.sleep(0.02)
            if status is None:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        finally:
            release.set()
            thread.join(30)
        assert status is not None, "the child still waits"
        assert os.waitstatus_to_exitcode(status) == 7


class TestGenerators:
    def test_of_the_cpu(self):
        with torch.random.fork_rng(devices=[]):
            states = generator_states(CPU)
            first = torch.rand(3)
            restore_generators(states, CPU)
            assert torch.equal(torch.rand(3), first)
        assert states.keys() == {"cpu"}

    @pytest.mark.gpu
    def test_of_a_gpu(self):
        device = torch.device("cuda")
        with torch.random.fork_rng(devices=[device]):
            states = generator_states(device)
            first = torch.rand(3, device=device)
            restore_generators({name: state.clone() for name, state in states.items()}, device)
            assert torch.equal(torch.rand(3, device=device), first)


class TestDrawSeed:
    def test_none_is_fresh_and_leaves_numpys_state(self):
        before = np.random.get_state()[1].copy()
        assert len({draw_seed(None) for _ in range(5)}) == 5
        assert np.array_equal(np.random.get_state()[1], before)

    def test_int_is_repeated_and_a_generator_advances(self):
        assert draw_seed(7) == draw_seed(np.int64(7)) != draw_seed(8)
        generator = np.random.RandomState(7)
        first, second = draw_seed(generator), draw_seed(generator)
        assert first == draw_seed(7) != second
