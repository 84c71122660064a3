"""CSV tables as people hand them over."""

import warnings

import pandas as pd


def read_csv(path, **options):
    """Read a CSV table whose rows and columns are told apart without doubt.

    Parameters
    ----------
    path : path-like
    **options
        Of `pandas.read_csv`.

    Returns
    -------
    DataFrame
        Columns of truth values as text: they are no numbers.

    Raises
    ------
    ValueError
        If it is no such table, rows have more cells than the header, or columns
        stand there twice.
    """
    try:
        with warnings.catch_warnings():
            # Of cells beyond the header, which shift all others or are lost.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, index_col=False, **options)
            options |= {"header": None, "nrows": 1, "dtype": str}
            (names,) = pd.read_csv(path, index_col=False, **options).to_numpy()
    except pd.errors.ParserWarning:
        raise ValueError(
            f"{path}: expected a CSV table, found rows with more cells than its header"
        ) from None
    except ValueError as error:  # pandas' errors of a broken table are among them
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path}: expected a CSV table, found one that fails: {reason}") from None
    names = pd.Series(names).dropna().str.strip()
    names = names[names != ""]
    if names.duplicated().any():
        repeated = names[names.duplicated()].unique().tolist()
        raise ValueError(f"{path}: expected each column once, found {repeated[:5]} again")
    return table.astype(dict.fromkeys(table.select_dtypes(bool), str))
