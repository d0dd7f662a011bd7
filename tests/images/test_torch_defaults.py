"""PyTorch's settings inside the package, after it, in threads and in forked processes."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch

from skblood.images import resize_images, torch_defaults


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_inside_and_after(float64):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        for error in (None, KeyError):
            try:
                with torch_defaults(), torch_defaults():
                    x = torch.ones(2, 2, requires_grad=True)
                    (x @ x).sum().backward()
                    if error:
                        raise error
            except KeyError:
                pass
            assert (x.dtype, x.grad.dtype, (x @ x).dtype) == (torch.float32,) * 2 + (
                torch.bfloat16,
            )
            assert x.device.type == "cpu" and not x.is_inference()
            assert torch.is_inference_mode_enabled() and torch.is_autocast_enabled("cpu")
            assert torch.get_default_device().type == "meta"
            assert torch.get_default_dtype() == torch.float64


def test_last_thread_restores_the_dtype(float64):
    """All threads share the default dtype, so the first one to leave must not change it."""
    entered, leave, found = threading.Event(), threading.Event(), []

    def stay():
        with torch_defaults():
            entered.set()
            leave.wait(30)
            found.append(torch.get_default_dtype())

    thread = threading.Thread(target=stay)
    thread.start()
    assert entered.wait(30)
    with torch_defaults():
        pass
    leave.set()
    thread.join(30)
    assert found == [torch.float32]
    assert torch.get_default_dtype() == torch.float64


def run_forked(function, seconds=30):
    """Return the exit code of a forked process that calls a function; None if it hangs."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(function())
        finally:
            os._exit(99)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, code = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(code)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
class TestFork:
    def test_one_thread(self):
        """The threads of OpenMP do not exist in the child, which would wait for them."""
        images = np.random.default_rng(0).integers(0, 256, (64, 64, 64, 3), dtype=np.uint8)
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            expected = resize_images(images, (48, 48))

            def resize():
                same = np.array_equal(resize_images(images, (48, 48)), expected)
                return 7 if same and torch.get_num_threads() == 1 else 8

            assert run_forked(resize) == 7
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before)

    @pytest.mark.parametrize("who", ["this thread", "another thread"])
    def test_while_busy(self, who):
        """PyTorch's locks may be held by a thread that does not exist in the child."""

        def enter():
            try:
                with torch_defaults():
                    return 7
            except RuntimeError as error:
                return 8 if "'spawn' or 'forkserver'" in str(error) else 9

        if who == "this thread":
            with torch_defaults():
                assert run_forked(enter) == 7
            return
        entered, leave = threading.Event(), threading.Event()

        def stay():
            with torch_defaults():
                entered.set()
                leave.wait(60)

        thread = threading.Thread(target=stay)
        thread.start()
        try:
            assert entered.wait(30)
            assert run_forked(enter) == 8
        finally:
            leave.set()
            thread.join(30)
        assert run_forked(enter) == 7
