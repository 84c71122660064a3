"""How far long work is: a bar for who watches, a line now and then for a log."""

import sys

from tqdm import tqdm

_SECONDS = 15  # between the lines of a log
_LINE = "{desc}: {n_fmt} of {total_fmt} ({percentage:.0f} %) in {elapsed}, {remaining} to go"


def progress(label, total, *, items=None):
    """Show how far work is, on standard output.

    Parameters
    ----------
    label : str
    total : int
        How many steps there are.
    items : iterable, optional
        What to iterate over, a step each; without it call ``update(n)``.

    Returns
    -------
    tqdm.tqdm
        A context manager. Where standard output is no terminal it writes a line every
        15 seconds instead of a bar.
    """
    if sys.stdout.isatty():
        return tqdm(items, label, total, file=sys.stdout, mininterval=2)
    return tqdm(
        items, label, total, file=_Lines(), mininterval=_SECONDS, maxinterval=_SECONDS,
        bar_format=_LINE, delay=_SECONDS,
    )  # fmt: skip


class _Lines:
    """A file to which tqdm's updates of one line become lines."""

    encoding = "ascii"

    def write(self, text):
        if line := text.strip():
            print(line, flush=True)

    def flush(self):
        sys.stdout.flush()
