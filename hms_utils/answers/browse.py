"""Cards to leaf through: one window after the other, with cases like it."""

import io
import os

import numpy as np
import pandas as pd

from hms_utils.answers.cards import card_of_window
from hms_utils.constants import CLASSES, VOTE_COLUMNS, WELL_VOTED
from hms_utils.scores import row_divergence

_DPI = 80  # of a card on the screen
FURTHEST, BY_PATIENT = "furthest from a panel first", "patient by patient"


def card_with_cases(
    row, *, data_dir, index, prediction, cases, pictures, concentration=None, notes=()
):
    """Draw the card of a training window beside cases like it.

    Parameters
    ----------
    row : int
        Which window, by its place in `index`.
    data_dir : path-like
        The competition's folder, or one like it.
    index : DataFrame
        As `images.load` returns it.
    prediction : ndarray of float, shape (n_windows, 6)
        Of windows that the networks did not know.
    cases : dict of int to sequence of int
        Windows like it, of each window that has some, as `networks.nearest_cases` finds them.
    pictures : dict of str to ndarray of uint8
        As `images.load` opens them.
    concentration, notes
        As for `plots.draw_card`.

    Returns
    -------
    matplotlib Figure
    """
    window, votes = index.iloc[row], index[list(VOTE_COLUMNS)].to_numpy()
    view = "eeg50" if "eeg50" in pictures else next(iter(pictures))  # of spectrograms alone
    (divergence,) = row_divergence(votes[[row]], prediction[[row]])
    shown = [
        (f"EEG {index.eeg_id.iloc[case]}", pictures[view][case], votes[case])
        for case in cases.get(row, ())
    ]
    return card_of_window(
        data_dir,
        window,
        votes=votes[row],
        prediction=prediction[row],
        concentration=concentration,
        cases=shown,
        title=f"EEG {window.eeg_id} of patient {window.patient_id}: KL {divergence:.2f}",
        notes=notes,
    )


def someone_is_there():
    """Return whether the notebook was opened by someone who can click, and not run headlessly."""
    on_kaggle = os.environ.get("KAGGLE_KERNEL_RUN_TYPE")
    if on_kaggle is not None:
        return on_kaggle == "Interactive"
    return "JPY_SESSION_NAME" in os.environ or "VSCODE_PID" in os.environ


def browse(draw, index, rows, prediction):
    """Make a browser of cards, where there is someone to click.

    Parameters
    ----------
    draw : callable
        From a window's place in `index` to its card; one that cannot be drawn raises ValueError.
    index : DataFrame
        As `images.load` returns it.
    rows : sequence of int
        The windows to leaf through.
    prediction : ndarray of float, shape (n_windows, 6)

    Returns
    -------
    ipywidgets.VBox or None
        None in a run that nobody watches: what it would show is in the figure that `draw`
        makes without it.
    """
    if not someone_is_there():
        return None
    import ipywidgets as widgets  # which nobody needs in a headless run

    votes = index[list(VOTE_COLUMNS)].to_numpy()
    table = pd.DataFrame({"row": rows, "patient": index.patient_id.to_numpy()[rows]})
    table["class"] = np.array(CLASSES)[votes[rows].argmax(axis=1)]
    # One or two raters, who are easily far from any answer, come after all panels.
    table["panel"] = votes[rows].sum(axis=1) >= WELL_VOTED
    table["divergence"] = row_divergence(votes[rows], prediction[rows])
    named = [name for name in CLASSES if (table["class"] == name).any()]
    which = widgets.Dropdown(options=["all classes", *named], description="most votes")
    order = widgets.Dropdown(options=[FURTHEST, BY_PATIENT], description="order")
    back, onwards = (widgets.Button(description=name) for name in ("previous", "next"))
    place, card = widgets.Label(), widgets.Image(format="png")
    state = {"rows": [], "at": 0}

    def show():
        row = state["rows"][state["at"]]
        place.value = f"{state['at'] + 1} of {len(state['rows'])}"
        try:
            content = io.BytesIO()
            draw(row).savefig(content, dpi=_DPI)
            card.value = content.getvalue()
        except ValueError as error:
            card.value, place.value = b"", f"{place.value}: {error}"

    def choose(_=None):
        chosen = table if which.index == 0 else table[table["class"] == which.value]
        by = ["patient", "row"] if order.value == BY_PATIENT else ["panel", "divergence"]
        chosen = chosen.sort_values(by, ascending=order.value == BY_PATIENT)
        state.update(rows=chosen.row.tolist(), at=0)
        show()

    def step(by):
        state["at"] = (state["at"] + by) % len(state["rows"])
        show()

    which.observe(choose, "value")
    order.observe(choose, "value")
    back.on_click(lambda _: step(-1))
    onwards.on_click(lambda _: step(1))
    choose()
    bars = widgets.HBox([which, order]), widgets.HBox([back, onwards, place])
    return widgets.VBox([*bars, card])
