"""How fast this machine trains and predicts, from some steps."""

import functools
import time

import numpy as np
import pandas as pd
import psutil

from hms_utils.constants import CHAINS, VOTE_COLUMNS
from hms_utils.networks.backend import keras
from hms_utils.networks.fitter import Fitter, Stage, predict
from hms_utils.networks.models import NETWORKS
from hms_utils.threads import own_memory

_SECONDS = 6  # for steps that are not the first
_MOST_STEPS = 60


def measure_pace(name, n_views, tile_shape, *, batch_size, augment):
    """Time some training steps and predictions of a network, on images at random.

    Parameters
    ----------
    name : str
        Among `NETWORKS`.
    n_views : int
    tile_shape : tuple of int
        Height and width of one chain's tile.
    batch_size : int
    augment : sequence of str
        As for `inputs.make_dataset`.

    Returns
    -------
    dict
        ``compile``, the seconds that a first step takes longer; ``train`` and
        ``predict``, the seconds of an image; ``memory``, the largest resident bytes of
        this process; ``parameters``, their number.
    """
    rng = np.random.default_rng(0)
    shape = (batch_size, len(CHAINS), *tile_shape)
    images = [rng.integers(0, 256, shape, np.uint8) for _ in range(n_views)]
    votes = rng.multinomial(12, np.full(6, 1 / 6), batch_size)
    index = pd.DataFrame(votes, columns=list(VOTE_COLUMNS)).assign(n_votes=12)
    build = functools.partial(NETWORKS[name].build, n_views, tile_shape)
    keras.utils.set_random_seed(0)
    fitter = Fitter(build, images, index, batch_size=batch_size, augment=augment)
    rows = np.arange(batch_size)

    def train(n_steps):
        started = time.perf_counter()
        stage = Stage("pace", n_steps, 1e-4)
        model, _ = fitter._compiled(stage)
        dataset, _ = fitter._dataset(stage, rows, 0)
        model.fit(dataset, steps_per_epoch=n_steps, shuffle=False, verbose=0)
        return time.perf_counter() - started

    def answer(n_batches):
        started = time.perf_counter()
        predict(fitter.model, images, np.tile(rows, n_batches), batch_size=batch_size)
        return time.perf_counter() - started

    first, second = train(1), train(1)
    n_steps = int(np.clip(_SECONDS / second, 3, _MOST_STEPS))
    # Of a few steps another process's moment would be half of what is told.
    step = min(train(n_steps) for _ in range(2)) / n_steps
    answer(1)
    once = answer(1)
    n_batches = int(np.clip(_SECONDS / 2 / once, 1, _MOST_STEPS))
    seconds = min(answer(n_batches) for _ in range(2)) / n_batches
    return {
        "compile": max(first - step, 0.0),
        "train": step / batch_size,
        "predict": seconds / batch_size / 4,  # an image and its mirror images
        "memory": own_memory(psutil.Process()),
        "parameters": fitter.model.count_params(),
    }
