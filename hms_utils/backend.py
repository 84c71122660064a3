"""TensorFlow and Keras, imported without the notices of their C++ code.

They go to the process's standard error past Python, and so into every notebook
and terminal, and none asks anything of the user. What fails raises in Python.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Products of float32 in bfloat16 where the processor can: training is a quarter faster.
os.environ.setdefault("ONEDNN_DEFAULT_FPMATH_MODE", "BF16")

_stderr, _null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(_null, 2)
try:
    import keras
    import tensorflow as tf
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
    os.close(_null)

__all__ = ["keras", "strategy", "tf"]


def strategy():
    """Make the most of the hardware for models built in the scope of what is returned.

    With a GPU, products are of half precision (weights and probabilities stay
    float32); with several, each takes a part of every batch.

    Returns
    -------
    tf.distribute.Strategy
    """
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        keras.config.set_dtype_policy("mixed_float16")
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()
