"""TensorFlow and Keras, imported without the notices of their C++ code.

They go to the process's standard error past Python, and so into every notebook
and terminal, and none asks anything of the user. What fails raises in Python.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_stderr, _null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(_null, 2)
try:
    import keras
    import tensorflow as tf
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
    os.close(_null)

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
