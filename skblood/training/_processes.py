"""Several processes that train one model, started by torchrun or `accelerate launch`."""

import gc
import multiprocessing
import os
import signal
import threading
import warnings
import zlib
from contextlib import contextmanager
from functools import cache

import torch
from torch import distributed
from torch.nn import functional as F

from skblood.inference import generator_states, resolve_device, seed_generators

from ._batch_norm import SynchronizedBatchNorm

# What a process tells the others at the end of a batch or an epoch; the highest one holds for all.
GO_ON, STOP, INTERRUPT = range(3)


def join_processes(device):
    """Return the processes of the launcher, which train one model, or None without a launcher.

    Parameters
    ----------
    device : str
        The parameter of the estimator.

    Returns
    -------
    processes : Processes or None

    Raises
    ------
    ImportError
        If accelerate is not installed.
    ValueError
        If these processes cannot train together.
    """
    n_processes = int(os.environ.get("WORLD_SIZE", 1))
    if n_processes == 1:
        return None
    kind = resolve_device(device).type
    if torch.device(kind) != torch.device(device if device != "auto" else kind):
        raise ValueError(
            f"device={device!r}, but a launcher started {n_processes} processes, each of which "
            f"takes the device of its LOCAL_RANK. Use device={kind!r} or 'auto'."
        )
    is_helper = multiprocessing.current_process().name.startswith("Loky")
    if is_helper or threading.current_thread() is not threading.main_thread():
        raise ValueError(
            f"A launcher started {n_processes} processes that train each model together "
            f"(WORLD_SIZE={n_processes}), so that fits cannot run at the same time. Use n_jobs=1."
        )
    on_host = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if kind == "cuda" and on_host > torch.cuda.device_count():
        raise ValueError(
            f"A launcher started {on_host} processes on a machine with {torch.cuda.device_count()} "
            "GPUs. Start as many processes as there are GPUs (--nproc_per_node), or use "
            "device='cpu'."
        )
    return Processes(_accelerator(kind == "cpu"))


@cache
def _accelerator(cpu):
    """Return the accelerator of this process; it initializes the process group."""
    n_processes = os.environ["WORLD_SIZE"]
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs, DistributedType
        from accelerate.state import is_initialized
    except ImportError as error:
        raise ImportError(
            f"A launcher started {n_processes} processes (WORLD_SIZE={n_processes}), which train "
            'one model by accelerate: pip install "skblood[accelerate]". To train in one process, '
            "start Python without torchrun."
        ) from error
    if distributed.is_initialized() and not is_initialized():
        raise ValueError(
            "torch.distributed has a process group that accelerate did not initialize. Leave "
            "init_process_group out (fit does it), or call accelerate.Accelerator() before it."
        )
    # Buffers are equal on all processes, and parameters that no loss reaches are allowed.
    options = DistributedDataParallelKwargs(broadcast_buffers=False, static_graph=True)
    accelerator = Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[options])
    kinds = (DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
    if accelerator.distributed_type not in kinds:
        raise ValueError(
            f"accelerate is configured for {accelerator.distributed_type.value}; data-parallel "
            "training needs MULTI_CPU or MULTI_GPU. Run `accelerate config`, or use torchrun."
        )
    # Messages between the processes need no GPU, and would make it wait.
    accelerator.messages = distributed.new_group(backend="gloo")
    return accelerator


class Processes:
    """The processes that train a model together, seen by one: each takes a part of each batch.

    Parameters
    ----------
    accelerator : accelerate.Accelerator

    Attributes
    ----------
    rank, size : int
        Position of this process, and number of all.
    device : torch.device
    """

    def __init__(self, accelerator):
        self._accelerator, self._messages = accelerator, accelerator.messages
        self.rank, self.size = accelerator.process_index, accelerator.num_processes
        kind = accelerator.device.type
        self.device = torch.device("cpu") if kind == "cpu" else accelerator.device  # not cpu:0
        self._interrupted = False

    @property
    def is_main(self):
        """Whether this process writes files and shows the progress."""
        return self.rank == 0

    def broadcast(self, value):
        """Return the value of the main process."""
        values = [value if self.is_main else None]
        distributed.broadcast_object_list(values, src=0, group=self._messages)
        return values[0]

    def check_equal(self, facts):
        """Raise ValueError on all processes if one was given other images or parameters."""
        all_facts = [None] * self.size
        distributed.all_gather_object(all_facts, facts, group=self._messages)
        if odd := [rank for rank, each in enumerate(all_facts) if each != all_facts[0]]:
            raise ValueError(
                f"The processes train one model, but ranks {odd} were given other images, labels "
                "or parameters than rank 0. Give all the same: each takes its part of each batch. "
                "To train several models at once, start Python without torchrun."
            )

    def check_size(self, n_samples, batch_size):
        """Raise ValueError if there is no image for each process in each batch."""
        if min(n_samples, batch_size) < self.size:
            raise ValueError(
                f"{self.size} processes cannot share batches of {batch_size} of {n_samples} images "
                "(batch_size counts the images of all processes). Start fewer processes, or raise "
                "batch_size."
            )

    @contextmanager
    def training(self, network):
        """Context manager to train a network in, in which Ctrl-C ends all processes together."""

        def note(*args):
            self._interrupted = True

        former = signal.signal(signal.SIGINT, note)
        with warnings.catch_warnings():
            # The name of broadcast_buffers is going to change.
            warnings.simplefilter("ignore", FutureWarning)
            self._model = self._accelerator.prepare_model(network)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, former)
            self._model = None
            self._accelerator.free_memory()
            gc.collect()  # the wrapper, which has hooks on the parameters

    def forward(self, x):
        """Pass this part of a batch through the network, whose gradients will be averaged."""
        with SynchronizedBatchNorm():
            return self._model(x)

    def split(self, indices):
        """Return the part of a batch that this process takes; never empty.

        The parts are remembered for `gather`. Where there are fewer images than processes, as in
        validation, the first image is taken again, and is left out there.
        """
        parts = indices.tensor_split(self.size)
        self._sizes = [len(part) for part in parts]
        part = parts[self.rank]
        return part if len(part) else indices[:1]

    def gather(self, outputs, n_images):
        """Return the outputs for the whole batch; only those of this process have a gradient.

        Parameters
        ----------
        outputs : torch.Tensor of shape (n_views * n_images, d)
        n_images : int
            Of this process.
        """
        longest = max(self._sizes)
        views = outputs.unflatten(0, (-1, n_images))  # those of all first views come first
        padded = F.pad(views.detach(), (0, 0, 0, longest - n_images)).contiguous()
        parts = list(self._accelerator.gather(padded).split(len(padded)))
        parts[self.rank] = views
        parts = [part[:, :size] for part, size in zip(parts, self._sizes, strict=True)]
        return torch.cat(parts, dim=1).flatten(0, 1)

    def vary_randomness(self):
        """Seed the generators of the other processes, by the state of those of the main one.

        Augmentation and dropout then differ, and an epoch can be repeated from a checkpoint.
        """
        states = generator_states(self.device).values()
        seed = self.broadcast(zlib.crc32(b"".join(each.numpy().tobytes() for each in states)))
        if not self.is_main:
            seed_generators(seed + self.rank, self.device)

    def agree(self, wish=GO_ON):
        """Return the highest wish of all processes; Ctrl-C is the wish to interrupt."""
        wish = torch.tensor(INTERRUPT if self._interrupted else wish)
        distributed.all_reduce(wish, distributed.ReduceOp.MAX, group=self._messages)
        return int(wish)
