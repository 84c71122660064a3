"""Speed of training, as ratios to limits and to PyTorch.

    python benchmarks/training.py [--torch-python PYTHON]

The comparison with PyTorch needs `torch` and `timm`, and this file's own imports, here
or in the environment of PYTHON; without them it is left out. Both compute in float32.
"""

import functools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
import psutil

VIEWS, TILE, BATCH = 2, (64, 128), 32  # a mosaic of 128 by 256 pixels
FULL_TILE = (128, 256)
CHILDREN = {
    "keras": "import training; training.keras_rate()",
    "torch": "import training; training.torch_rate()",
}


def make_images(folder, n_windows, *, n_views=VIEWS, tile=TILE):
    """Write random images as `images.build` lays them out; return them memory-mapped."""
    rng, images = np.random.default_rng(0), []
    for number in range(n_views):
        path = Path(folder) / f"{n_windows}_{tile[0]}_{number}.npy"
        shape = n_windows, 4, *tile
        array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        for start in range(0, n_windows, 500):
            part = array[start : start + 500]
            part[:] = rng.integers(0, 256, part.shape, np.uint8)
        array.flush()
        images.append(np.load(path, mmap_mode="r"))
    return images


def make_index(n_windows):
    from hms_utils.constants import VOTE_COLUMNS

    votes = np.random.default_rng(1).multinomial(12, np.ones(6) / 6, n_windows)
    return pd.DataFrame(votes, columns=list(VOTE_COLUMNS)).assign(n_votes=12)


def pipeline_rate(images, n_windows):
    """Images a second that the input pipeline delivers, all augmentations on."""
    from hms_utils.networks import AUGMENTATIONS, make_dataset

    targets = np.full((n_windows, 6), 1 / 6, np.float32)
    dataset = make_dataset(
        images,
        range(n_windows),
        targets,
        targets[:, 0],
        batch_size=BATCH,
        augment=tuple(AUGMENTATIONS),
    )
    for _ in dataset.take(3):
        pass
    started = time.perf_counter()
    for _ in dataset:
        pass
    return n_windows / (time.perf_counter() - started)


def fold_seconds(fitter, n_rows, n_epochs):
    """Seconds of a whole fold, and of each of its epochs' steps."""
    from hms_utils.networks import Stage

    rows, stage = np.arange(n_rows), Stage("all rows", n_epochs, 1e-3)
    started = time.perf_counter()
    fitter.restart()
    history = fitter.fit(stage, rows, held_out=rows[:1], choose=rows[:0], seed=0, label="fold")
    return time.perf_counter() - started, [line["seconds"] for line in history]


def pipeline_and_compile():
    """Compare the pipeline with the training step, and five folds with one compile."""
    from hms_utils.networks import AUGMENTATIONS, NETWORKS
    from hms_utils.networks.fitter import Fitter

    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        pipeline_rate(make_images(folder, 200), 200)
        print("Input pipeline, all augmentations, two views of 4 x 64 x 128")
        for n_windows in (1000, 10000):
            images = make_images(folder, n_windows)
            before = process.memory_info()
            rate = pipeline_rate(images, n_windows)
            # Pages of the mapped files are the system's to drop, so they do not count.
            after = process.memory_info()
            grown = (after.rss - after.shared - before.rss + before.shared) / 1e6
            print(f"  {n_windows:6d} windows: {rate:5.0f} images/s, memory grown by {grown:.0f} MB")
        images = make_images(folder, 1500, n_views=3, tile=FULL_TILE)
        busy = time.process_time()
        alone = pipeline_rate(images, 1500)
        print(
            f"Three views of 4 x 128 x 256: {alone:.0f} images/s (at least 300), "
            f"{1500 / (time.process_time() - busy):.0f} in a second of one core"
        )
        images, index = make_images(folder, 640), make_index(640)
        for network in NETWORKS.values():
            fitter = Fitter(
                functools.partial(network.build, VIEWS, TILE),
                images,
                index,
                batch_size=BATCH,
                augment=tuple(AUGMENTATIONS),
            )
            folds = [fold_seconds(fitter, 640, 4) for _ in range(5)]
            whole = sum(seconds for seconds, _ in folds)
            # The first epoch of all compiles; the mean of the others is of the same minutes
            # as the whole, on a machine whose speed varies.
            _, *epochs = [seconds for _, fold in folds for seconds in fold]
            steps = float(np.mean(epochs))
            compiling = folds[0][0] - 4 * steps
            print(
                f"{fitter.model.name}: {640 / steps:.0f} images/s in training, the pipeline "
                f"{rate * steps / 640:.1f} times as many (at least 10)\n"
                f"  compiling {compiling:.0f} s; five folds of 4 epochs {whole:.0f} s, "
                f"{whole / (20 * steps + compiling):.2f} times their steps and one compile "
                "(at most 1.1)"
            )


def keras_rate():
    """Print images a second of fine-tuning all layers, BatchNorm in inference mode."""
    from hms_utils.networks.backend import keras
    from hms_utils.networks.models import build_efficientnet_b0

    model = build_efficientnet_b0(VIEWS, TILE)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    model.compile(keras.optimizers.AdamW(1e-4), keras.losses.KLDivergence(), jit_compile=False)
    images = np.random.default_rng(0).integers(0, 256, (BATCH, VIEWS, 4, *TILE), np.uint8)
    targets = np.full((BATCH, 6), 1 / 6, np.float32)
    print(json.dumps(_rate(lambda: model.train_on_batch(images, targets))))


def torch_rate():
    """Print the same of timm's network in channels-last layout."""
    import timm
    import torch

    model = timm.create_model("efficientnet_b0", num_classes=6)
    model = model.to(memory_format=torch.channels_last).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
            module.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-4)
    images = torch.rand(BATCH, 3, 2 * TILE[0], VIEWS * TILE[1])
    images = images.to(memory_format=torch.channels_last)
    targets = torch.full((BATCH, 6), 1 / 6)

    def step():
        optimizer.zero_grad()
        answers = model(images).log_softmax(dim=1)
        torch.nn.functional.kl_div(answers, targets, reduction="batchmean").backward()
        optimizer.step()

    print(json.dumps(_rate(step)))


def _rate(step, n_steps=8):
    step(), step()
    started = time.perf_counter()
    for _ in range(n_steps):
        step()
    return n_steps * BATCH / (time.perf_counter() - started)


def against_torch(python):
    """Fine-tune EfficientNetB0 in both, turn about, each in a process of its own."""
    here, rates = Path(__file__).parent, {name: [] for name in CHILDREN}
    for _ in range(3):
        for name, program in CHILDREN.items():
            command = [python if name == "torch" else sys.executable, "-c", program]
            run = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
            if run.returncode:
                reason = run.stderr.strip().splitlines()[-1]
                print(f"Against PyTorch and timm: {name} failed ({reason})")
                return
            rates[name].append(json.loads(run.stdout.splitlines()[-1]))
    ours, theirs = (float(np.median(rates[name])) for name in CHILDREN)
    print(
        f"Fine-tuning EfficientNetB0, 128 x 256, batch {BATCH}, BatchNorm in inference mode: "
        f"{ours:.1f} images/s, PyTorch and timm {theirs:.1f}, ratio {ours / theirs:.2f} "
        "(at least 1)"
    )


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n"))
@click.option("--torch-python", default=sys.executable, help="Python that has torch and timm.")
def main(torch_python):
    pipeline_and_compile()
    against_torch(torch_python)


if __name__ == "__main__":
    main()
