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

__all__ = ["keras", "tf"]
