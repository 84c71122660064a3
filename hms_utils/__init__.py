"""Helpers of the HMS harmful brain activity notebooks.

Importing the package imports none of its modules: TensorFlow is loaded by
`inputs`, `models` and `training` only.
"""

__version__ = "0.1.0"
