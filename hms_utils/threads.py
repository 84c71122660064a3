"""One thread for products of small matrices.

Several would mostly wait for each other, go on spinning while the network computes, and
round differently from machine to machine, so that the same seed gave other bytes.
"""

import numpy  # noqa: F401 - its BLAS is what is looked for
from threadpoolctl import ThreadpoolController

# Looked for once, when NumPy has loaded its BLAS: that takes longer than a window.
_blas = ThreadpoolController().select(user_api="blas")
one_blas_thread = _blas.wrap(limits=1)

__all__ = ["one_blas_thread"]
