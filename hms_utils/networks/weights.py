"""ImageNet weights of EfficientNetB0: found or fetched, and loaded."""

import hashlib
import http.client
import math
import os
import time
import urllib.request
from pathlib import Path

import numpy as np

from hms_utils import paths
from hms_utils.networks.backend import keras

WEIGHTS_NAME = "efficientnetb0_notop.h5"
WEIGHTS_URL = f"https://storage.googleapis.com/keras-applications/{WEIGHTS_NAME}"
_WEIGHTS_MD5 = "50bc09e76180e00e4465e1a485ddc09d"
_ANSWER_SECONDS = 5  # how long to wait for the network before going on without
_DOWNLOAD_SECONDS = 60  # for the 16 MB
_IMAGENET_VARIANCE = (0.229, 0.224, 0.225)


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
    except Exception as error:  # h5py and Keras have many kinds for what is no such file
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"{weights_file}: expected Keras' {WEIGHTS_NAME}, found a file that does not load "
            f"({reason})"
        ) from None
    if not all(np.isfinite(weight).all() for weight in backbone.get_weights()):
        raise ValueError(f"{weights_file}: expected finite weights, found others")
    stem = backbone.get_layer("stem_conv")
    kernel = stem.get_weights()[0]
    for colour, variance in enumerate(_IMAGENET_VARIANCE):
        kernel[:, :, colour] /= math.sqrt(variance)
    stem.set_weights([kernel])


def find_weights(choice):
    """Find the ImageNet weights of EfficientNetB0, and see whether they fit.

    Parameters
    ----------
    choice : {"imagenet", "none", "auto"}
        ``imagenet`` demands them, ``auto`` goes on without where neither a local
        file nor the network has them. Both name a file that does not fit.

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
    path, refused = None, []
    for place in places:
        try:
            if place.exists():
                path, digest = place, _check(place)
                break
        except (ValueError, OSError) as error:
            path = None
            refused.append(str(error))
    if path is None:
        try:
            path, digest = _download(local[0]), _WEIGHTS_MD5
        except (OSError, http.client.HTTPException, ValueError) as error:
            if choice == "imagenet":
                found = "; ".join([*refused, f"none on the network ({error})"])
                raise FileNotFoundError(
                    f"{WEIGHTS_NAME}: expected in {local[0].parent} or {local[1].parent}, found "
                    f"none there that fits: {found}. Download {WEIGHTS_URL} where there is a "
                    "network and put it there, or set BACKBONE_WEIGHTS to auto or none."
                ) from None
    for reason in refused:
        print(f"Weights: not used: {reason}")
    if path is None:
        return None, "random weights, as no ImageNet weights were found here or on the network"
    print(f"Weights: {path}")
    kind = (
        "ImageNet weights" if digest == _WEIGHTS_MD5 else "pretrained weights that are not Keras'"
    )
    # The checksum rather than the path: moving the file changes no result.
    return path, f"{kind} (MD5 {digest})"


def _check(path):
    """Return a file's MD5, or raise unless it is Keras' own or can be loaded as that is."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if digest != _WEIGHTS_MD5:
        load_imagenet(keras.applications.EfficientNetB0(include_top=False, weights=None), path)
    return digest


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
