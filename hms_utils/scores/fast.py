"""The divergence of `metric`, for the blend's search and for large tables: ten times as fast."""

import numpy as np

EPSILON = 1e-15  # as in the metric
_BLOCK = 8192  # rows whose temporaries stay in the processor's cache


def row_divergence(shares, prediction):
    """Compute what `metric.row_divergence` does, of shares and without its checks.

    Blocks keep to the processor's cache, NumPy's logarithm is several times as fast
    as `scipy.special.rel_entr`, and a product with ones as a sum over so few columns.

    Parameters
    ----------
    shares : ndarray of float64, shape (n_rows, n_classes)
        Rows add to one.
    prediction : ndarray of float64, shape (n_rows, n_classes)

    Returns
    -------
    ndarray of float64, shape (n_rows,)
    """
    rows = np.empty(len(shares))
    for start in range(0, len(shares), _BLOCK):
        part = shares[start : start + _BLOCK]
        terms = np.clip(prediction[start : start + _BLOCK], EPSILON, 1 - EPSILON)
        # Of a share of zero any finite logarithm will do.
        np.divide(np.maximum(part, np.finfo(float).tiny), terms, out=terms)
        np.log(terms, out=terms)
        terms *= part
        rows[start : start + _BLOCK] = terms @ np.ones(terms.shape[1])
    return rows
