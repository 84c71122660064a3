"""TensorFlow and Keras, imported as the suite needs them.

Without the notices of their C++ code: they go to the process's standard error past
Python, and so into every notebook and terminal, and none asks anything of the user.
What fails raises in Python. And without the user's ``keras.json`` and variables, made
for other projects: another layout, precision or epsilon would change the results or fail.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
for _name in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
    os.environ.pop(_name, None)

_home = os.environ.get("KERAS_HOME")
os.environ["KERAS_HOME"] = f"{os.devnull}/keras"  # where no keras.json can be
_stderr, _null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(_null, 2)
try:
    import keras
    import tensorflow as tf
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
    os.close(_null)
    del os.environ["KERAS_HOME"]
    if _home is not None:
        os.environ["KERAS_HOME"] = _home

# Of one who has imported Keras before.
if keras.config.backend() != "tensorflow":
    raise RuntimeError(
        f"expected Keras on TensorFlow, found it on {keras.config.backend()}: it was imported "
        "before hms_utils; set KERAS_BACKEND=tensorflow"
    )
keras.config.set_image_data_format("channels_last")
keras.config.set_floatx("float32")
keras.config.set_dtype_policy("float32")
keras.config.set_epsilon(1e-7)

__all__ = ["keras", "prepare_hardware", "tf"]


def prepare_hardware():
    """Set the precision for the hardware and find how models share it.

    With a GPU, models built from now on multiply in half precision (their weights
    and probabilities stay float32); with several, each takes a part of every batch.

    Returns
    -------
    tf.distribute.Strategy
        Models built in its scope use all GPUs.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        keras.config.set_dtype_policy("mixed_float16")
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()
