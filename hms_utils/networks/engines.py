"""Trained networks as plain functions, computed by TensorFlow or by ONNX Runtime."""

import contextlib
import importlib.util
import json
import logging
import tempfile
import warnings
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
from joblib import cpu_count

from hms_utils import paths
from hms_utils.networks.backend import keras, tf

ENGINES = ("tensorflow", "onnx")

# Settings of layers that Keras has got since 3.13, which Kaggle has, at their defaults.
_NEWER_SETTINGS = {
    "input_axes": None,
    "output_axes": None,
    "quantization_config": None,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
}


def load(file):
    """Load a trained network that this or another supported version of Keras has saved.

    Parameters
    ----------
    file : Path
        A ``.keras`` file.

    Returns
    -------
    keras.Model
        Without a GPU it computes in float32, whatever it was trained in.

    Raises
    ------
    ValueError
        If the file does not load.
    """
    try:
        model = _load_model(file)
    except (ValueError, OSError, TypeError, KeyError, BadZipFile) as error:
        reason = str(error).strip().rpartition("\n")[2]
        raise ValueError(f"{file}: expected a Keras model, found none ({reason})") from error
    if not tf.config.list_physical_devices("GPU"):
        to_float32(model)
    return model


def to_float32(model):
    """Let a model that was trained in mixed precision compute in float32.

    Parameters
    ----------
    model : keras.Model
        Changed in place; not yet called.
    """
    for layer in model.layers:
        layer.dtype_policy = "float32"


def _load_model(file):
    """Load a network whatever its settings, if those that are unknown change nothing.

    An older Keras would refuse settings that it does not know, though they are at
    their defaults.
    """

    def known(node):
        newer = _NEWER_SETTINGS.items()
        return {name: value for name, value in node.items() if (name, value) not in newer}

    with ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"), object_hook=known)
    model = keras.saving.deserialize_keras_object(config | {"compile_config": None})
    model.load_weights(file)
    return model


def tensorflow(model, weights):
    """Make a function of each fold's weights, all of them by one graph.

    A call takes much less time than `keras.Model.predict`, which makes a data set
    and its threads for each.

    Parameters
    ----------
    model : keras.Model
    weights : list of list of ndarray
        Of the folds, as `keras.Model.get_weights` returns them.

    Returns
    -------
    list of callable
        From uint8 images (n_images, n_views, 4, height, width), as an array or a
        tensor, to float32 probabilities (n_images, 6).
    """
    parts = [], []
    for fold in weights:
        model.set_weights(fold)
        variables = model.trainable_variables, model.non_trainable_variables
        for part, group in zip(parts, variables, strict=True):
            part.append([tf.constant(variable) for variable in group])
    signature = [tf.TensorSpec(model.input_shape, tf.uint8)]
    signature += [[tf.TensorSpec(v.shape, v.dtype) for v in part[0]] for part in parts]

    @tf.function(input_signature=signature)
    def compute(images, trained, others):
        return model.stateless_call(trained, others, images, training=False)[0]

    def bind(*variables):
        return lambda images: compute(images, *variables).numpy()

    return [bind(*variables) for variables in zip(*parts, strict=True)]


def onnx(file, checksum):
    """Make a function of a trained network by ONNX Runtime, on the CPU.

    The exported network is kept beside `file`, where that can be written, as
    exporting takes longer than some hundred predictions.

    Parameters
    ----------
    file : Path
        A ``.keras`` file.
    checksum : str
        Of its content, to tell the exported one of another training.

    Returns
    -------
    function : callable
        As `tensorflow` returns them, of arrays alone.
    shape : tuple of int
        Of one of its images.

    Raises
    ------
    ModuleNotFoundError
        If ONNX Runtime, or what exports to it, is not installed.
    ValueError
        If a file does not load.
    RuntimeError
        If what is exported takes more than images.
    """
    _require("onnxruntime")
    import onnxruntime

    version = paths.code_version("networks/engines")[:4]  # of how networks are exported
    path = file.with_name(f"{file.stem}.{checksum[:12]}{version}.onnx")
    if path.is_file():
        content = path.read_bytes()
    else:
        print(f"{file}: exporting it to ONNX, once", flush=True)
        content = _export(load(file))
        with contextlib.suppress(OSError), paths.replacing(path) as temporary:
            temporary.write_bytes(content)
            for old in file.parent.glob(f"{file.stem}.*.onnx"):
                old.unlink()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu_count()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's have no base class of their own
        reason = str(error).partition("\n")[0]
        text = f"{path}: expected an ONNX model, found none ({reason}); delete it"
        raise ValueError(text) from None
    images, *others = session.get_inputs()
    if others:
        found = [other.name for other in others]
        raise RuntimeError(f"{path}: expected images as the only input, found {found} too")

    def compute(batch):
        # One by one, so that what layers pass on stays in the cache of the processor.
        parts = (batch[k : k + 1] for k in range(len(batch)))
        return np.concatenate([session.run(None, {images.name: part})[0] for part in parts])

    return compute, tuple(images.shape[1:])


def _export(model):
    """Return a network in ONNX's format."""
    _require("onnx")
    _require("tf2onnx")
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            # As tensors they would be captured by the graph and exported as two more inputs.
            layer.mean, layer.variance = layer.mean.numpy(), layer.variance.numpy()
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, about Keras' own code
        path = Path(folder) / "model.onnx"
        images = keras.InputSpec("uint8", (1, *model.input_shape[1:]), name="images")
        model.export(path, format="onnx", verbose=False, input_signature=[images])
        return path.read_bytes()


def _require(package):
    if importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(
            f"the engine onnx needs the package {package}: pip install onnx onnxruntime tf2onnx, "
            "or take the engine tensorflow"
        )
