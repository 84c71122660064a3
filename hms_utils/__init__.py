"""Helpers of the HMS harmful brain activity notebooks.

Importing the package imports none of its modules: TensorFlow is loaded by
`backend` only, which `inputs`, `models` and `training` import.
"""

__version__ = "0.1.0"
