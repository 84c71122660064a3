"""The two networks: a basic CNN and EfficientNetB0."""

import hashlib
import http.client
import math
import os
import time
import urllib.request
from pathlib import Path

from hms_utils import paths
from hms_utils.backend import keras
from hms_utils.constants import CHAINS, CLASSES

layers = keras.layers

WEIGHTS_NAME = "efficientnetb0_notop.h5"
WEIGHTS_URL = f"https://storage.googleapis.com/keras-applications/{WEIGHTS_NAME}"
_WEIGHTS_MD5 = "50bc09e76180e00e4465e1a485ddc09d"
_ANSWER_SECONDS = 5  # how long to wait for the network before going on without
_DOWNLOAD_SECONDS = 60  # for the 16 MB
_BANDS = 32  # of frequency, in the basic CNN
# The last of EfficientNet's seven blocks, and what follows them, for fine-tuning.
TOP_LAYERS = ("block6", "block7", "top", "logits")
_IMAGENET_VARIANCE = (0.229, 0.224, 0.225)


def build_cnn(n_views, tile_shape, *, filters=(24, 48, 96, 96), dropout=0.3):
    """Build the basic CNN.

    Each view has its own stack, as the same place in two of them is another time.
    Within a view every chain is a channel, so the same place is the same frequency
    and time in all of them, and left and right stay apart through global pooling.
    Frequencies are averaged to at most 32 bands, still finer than a frame resolves;
    each block is convolution, batch normalisation, ReLU and pooling.

    Parameters
    ----------
    n_views : int
    tile_shape : tuple of int
        Height and width of one chain's tile.
    filters : sequence of int
        Of each block.
    dropout : float

    Returns
    -------
    keras.Model
        From uint8 (batch, n_views, 4, height, width) to float32 (batch, 6)
        probabilities.
    """
    images = keras.Input((n_views, len(CHAINS), *tile_shape), dtype="uint8", name="images")
    scaled = layers.Rescaling(1 / 127.5, offset=-1, name="pixels")(images)
    pooled = []
    for view in range(n_views):
        x = layers.Permute((2, 3, 1))(scaled[:, view])
        x = layers.AveragePooling2D((max(1, tile_shape[0] // _BANDS), 1))(x)
        for number, count in enumerate(filters):
            x = layers.Conv2D(count, 3, padding="same", use_bias=False)(x)
            # Small data sets have too few steps for the default momentum of 0.99, and
            # several devices must not each have statistics of their own.
            x = layers.BatchNormalization(momentum=0.9, synchronized=True)(x)
            x = layers.ReLU(name=f"view{view}_block{number}")(x)
            x = layers.MaxPooling2D(2)(x)
        pooled.append(layers.GlobalAveragePooling2D()(x))
    x = layers.Identity(name="features")(keras.ops.concatenate(pooled, axis=-1))
    return keras.Model(images, _head(x, dropout), name="cnn")


def build_efficientnet_b0(n_views, tile_shape, *, weights_file=None, dropout=0.3):
    """Build EfficientNetB0 over a mosaic of all tiles in colour.

    The mosaic has a column for each view and two rows, for the lower chains (LL
    and RL) and the upper ones (LP and RP). Red is the left side of the head,
    green the right, blue their mean: what is on one side only is coloured,
    and global pooling cannot lose it. With pretrained weights BatchNorm stays
    in inference mode for good, as its statistics are worth more than those of
    small batches.

    Parameters
    ----------
    n_views : int
    tile_shape : tuple of int
        Height and width of one chain's tile.
    weights_file : path-like, optional
        Keras' ``efficientnetb0_notop.h5``; random weights without it.
    dropout : float

    Returns
    -------
    keras.Model
        From uint8 (batch, n_views, 4, height, width) to float32 (batch, 6)
        probabilities.
    """
    height, width = tile_shape
    mosaic_shape = (2 * height, n_views * width)
    images = keras.Input((n_views, len(CHAINS), *tile_shape), dtype="uint8", name="images")
    x = layers.Rescaling(1.0, name="pixels")(images)  # the backbone takes 0-255, as floats
    # Chains alternate between left and right: view, row, side, frequency, time.
    x = layers.Reshape((n_views, 2, 2, height, width))(x)
    x = layers.Permute((2, 4, 1, 5, 3))(x)
    sides = layers.Reshape((*mosaic_shape, 2))(x)
    mosaic = layers.Concatenate()([sides, keras.ops.mean(sides, axis=-1, keepdims=True)])
    # Built into this graph, not nested in it, so that get_layer finds every layer.
    backbone = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_tensor=mosaic, pooling="avg"
    )
    if weights_file is not None:
        load_imagenet(backbone, weights_file)
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            # Not trainable means inference mode, in training too.
            layer.trainable = weights_file is None
            layer.momentum, layer.synchronized = 0.9, True  # see build_cnn
        elif isinstance(layer, layers.Dropout) and weights_file is None:
            layer.rate = 0.0  # dropping whole blocks takes long schedules to pay
    x = layers.Identity(name="features")(backbone.output)
    return keras.Model(images, _head(x, dropout), name="efficientnet_b0")


def _head(features, dropout):
    x = layers.Dropout(dropout, name="dropout")(features)
    x = layers.Dense(len(CLASSES), name="logits")(x)
    return layers.Activation("softmax", dtype="float32", name="probabilities")(x)


def load_imagenet(backbone, weights_file):
    """Load Keras' ImageNet weights into a backbone built without weights.

    Built with ``weights="imagenet"``, EfficientNet has one more layer, which
    divides the normalised colours by the square root of their variance. Folding
    that factor into the first convolution gives the same function, and one
    architecture for all.

    Parameters
    ----------
    backbone : keras.Model
        ``EfficientNetB0(include_top=False, weights=None)``.
    weights_file : path-like

    Raises
    ------
    ValueError
        If the file does not fit.
    """
    try:
        backbone.load_weights(weights_file)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{weights_file}: expected Keras' {WEIGHTS_NAME}, found a file that does not load "
            f"({reason})"
        ) from None
    stem = backbone.get_layer("stem_conv")
    kernel = stem.get_weights()[0]
    for colour, variance in enumerate(_IMAGENET_VARIANCE):
        kernel[:, :, colour] /= math.sqrt(variance)
    stem.set_weights([kernel])


def find_weights(choice):
    """Find the ImageNet weights of EfficientNetB0.

    Parameters
    ----------
    choice : {"imagenet", "none", "auto"}
        ``imagenet`` demands them, ``auto`` goes on without where neither a local
        file nor the network has them.

    Returns
    -------
    path : Path or None
        None for random weights.
    source : str
        What was found, for the reader, the metrics and the key of trained folds.

    Raises
    ------
    ValueError
        If `choice` is another word.
    FileNotFoundError
        If ``imagenet`` is asked for and cannot be had.
    """
    if choice not in ("imagenet", "none", "auto"):
        raise ValueError(
            f'expected BACKBONE_WEIGHTS "imagenet", "none" or "auto", found "{choice}"'
        )
    if choice == "none":
        return None, "random weights, as asked"
    keras_home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    local = [keras_home / "models" / WEIGHTS_NAME, paths.competition_dir().parent / WEIGHTS_NAME]
    places = list(local)
    for depth in ("*", "*/*", "*/*/*", "*/*/*/*"):
        places += sorted(paths.KAGGLE_INPUT.glob(f"{depth}/{WEIGHTS_NAME}"))
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        try:
            path = _download(local[0])
        except (OSError, http.client.HTTPException, ValueError) as error:
            if choice == "imagenet":
                raise FileNotFoundError(
                    f"{WEIGHTS_NAME}: expected in {local[0].parent} or {local[1].parent}, found "
                    f"neither there nor on the network ({error}). Download {WEIGHTS_URL} where "
                    "there is a network and put it there, or set BACKBONE_WEIGHTS to auto or none."
                ) from None
            return None, "random weights, as no ImageNet weights were found here or on the network"
    print(f"Weights: {path}")
    # The checksum rather than the path: moving the file changes no result.
    return path, f"ImageNet weights (MD5 {hashlib.md5(path.read_bytes()).hexdigest()})"


def _download(path):
    """Fetch Keras' weights within a minute, whole or not at all."""
    deadline = time.monotonic() + _DOWNLOAD_SECONDS
    with (
        urllib.request.urlopen(WEIGHTS_URL, timeout=_ANSWER_SECONDS) as response,
        paths.replacing(path) as temporary,
    ):
        content = b""
        while block := response.read(1 << 20):
            content += block
            if time.monotonic() > deadline:
                raise TimeoutError(f"no whole file within {_DOWNLOAD_SECONDS} s")
        if hashlib.md5(content).hexdigest() != _WEIGHTS_MD5:
            raise ValueError(f"{WEIGHTS_URL}: not the file that Keras publishes")
        temporary.write_bytes(content)
    return path
