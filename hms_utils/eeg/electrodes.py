"""Which signals of a clinical file are the electrodes, by the labels that clinics write."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import NamedTuple

from hms_utils.constants import (
    BIPOLAR_COLUMNS,
    CHAINS,
    DIFFERENCES,
    EEG_COLUMNS,
    ELECTRODES,
)
from hms_utils.eeg.channel_labels import NAMES, doubt, read_label

_LEAST = 2  # differences that a chain needs
_UNNAMED = "reference without a name"
_SIDES = {"left": ("LL", "LP"), "right": ("RL", "RP")}


class Selection(NamedTuple):
    """The signals to read.

    Attributes
    ----------
    columns : tuple of str
        `constants.EEG_COLUMNS`, or `constants.BIPOLAR_COLUMNS` if the file holds
        the differences themselves.
    places : dict of str to int
        Where in the file a column is; what is missing is not there.
    flipped : frozenset of str
        Differences that the file holds the other way round.
    zero : str or None
        The electrode that all others are measured against, if it is one of the 19.
    notes : tuple of str
        What is missing, which reference was found, what was left aside.
    """

    columns: tuple
    places: dict
    flipped: frozenset
    zero: str | None
    notes: tuple


@dataclass(frozen=True, eq=False)
class _Choice:
    """Signals that could be read together."""

    kind: int
    places: dict  # column -> the places of its labels
    kept: dict  # chain -> how many of its differences
    note: str = ""
    doubt: str = ""  # why these may be no scalp electrodes
    columns: tuple = EEG_COLUMNS
    flipped: frozenset = frozenset()
    zero: str | None = None


def find_electrodes(labels, rates=None):
    """Find the electrodes and the EKG among the labels of a file.

    Scalp electrodes come before others, and all have one reference, or those of each
    side have: in differences it must cancel. The differences of the double banana
    themselves are taken where a file holds more of them by labels of the same kind.

    Parameters
    ----------
    labels : sequence of str
        Such as ``"EEG Fp1-Ref"``, ``"FP1-F7"`` or ``"T7"``, in any case.
    rates : sequence of float, optional
        Their samples a second: of several signals for one electrode that is taken
        which has the rate of most.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError
        If there are no electrodes, if they cannot be told from depth contacts, or if
        so few share a reference that a chain keeps fewer than two of its four differences.
    """
    rates = rates or [0] * len(labels)
    read = {place: found for place, label in enumerate(labels) if (found := read_label(label))}
    read_electrodes = {place: label for place, label in read.items() if label.name in NAMES}
    if not read_electrodes:
        raise ValueError(
            f"expected electrodes such as Fp1, found {len(labels)} channels: "
            + ", ".join(labels[:12])
            + (" …" if len(labels) > 12 else "")
        )
    common = [_against_one(group, read) for group in _grouped(read_electrodes)]
    differences = _themselves(read_electrodes)
    choices = [*common, *_two_sides(common), differences]
    good = [one for one in choices if min(one.kept.values()) >= _LEAST and not one.doubt]
    if not good:
        raise ValueError(_refusal(common, differences))
    best = min(good, key=lambda one: (one.kind, -sum(one.kept.values())))
    usual = Counter(rates[place] for places in best.places.values() for place in places)
    places = {
        name: min(places, key=lambda place: (-usual[rates[place]], place))
        for name, places in best.places.items()
    }
    notes = [best.note, *_left_aside(labels, read_electrodes, best, places)]
    if missing := [name for name in best.columns[:-1] if name not in {*places, best.zero}]:
        notes = [f"without {', '.join(missing)}, which count as gaps", *notes]
    hearts = [n for n, label in enumerate(labels) if re.search("EKG|ECG", label.upper())]
    if hearts:
        places["EKG"] = max(hearts, key=lambda place: (rates[place], -place))
    notes = tuple(filter(None, notes))
    return Selection(best.columns, places, best.flipped, best.zero, notes)


def _grouped(read):
    """Return lists of the places that have the same kind and reference."""
    groups = {}
    for place, label in read.items():
        groups.setdefault((label.kind, label.against), []).append(place)
    return list(groups.values())


def _against_one(group, read):
    """Return the electrodes at these places, which have one reference."""
    label, places = read[group[0]], {}
    for place in group:
        places.setdefault(NAMES[read[place].name], []).append(place)
    zero = label.against if label.against in ELECTRODES else None
    beside = [other for other in read.values() if (other[0], other[2]) == (label[0], label[2])]
    return _Choice(
        label.kind,
        places,
        {chain: _count(chain, {*places, zero}) for chain in CHAINS},
        label.shown and f"reference {label.shown}",
        doubt({read[place].name for place in group}, [other.name for other in beside]),
        zero=zero,
    )


def _count(chain, electrodes):
    return sum({*pair} <= electrodes for pair in pairwise(CHAINS[chain]))


def _two_sides(common):
    """Return choices whose left and right electrodes have different references."""
    ends = {
        side: {name for chain in chains for name in CHAINS[chain]}
        for side, chains in _SIDES.items()
    }
    choices = []
    halves = [
        one
        for one in common
        if not one.zero
        and any(min(one.kept[c] for c in chains) >= _LEAST for chains in _SIDES.values())
    ]
    for left, right in permutations(halves, 2):
        if left.kind == right.kind:
            midline = {*ELECTRODES} - ends["left"] - ends["right"]
            places = {
                name: one.places[name]
                for one, names in (
                    (right, midline),
                    (left, midline | ends["left"]),
                    (right, ends["right"]),
                )
                for name in names & one.places.keys()
            }
            kept = {c: (left if c in _SIDES["left"] else right).kept[c] for c in CHAINS}
            note = f"left {left.note or _UNNAMED}, right {right.note or _UNNAMED}"
            choices.append(_Choice(left.kind, places, kept, note, left.doubt or right.doubt))
    return choices


def _themselves(read):
    """Return the differences of the double banana that a file holds as such."""
    places, flipped = {}, set()
    kept = dict.fromkeys(CHAINS, 0)
    for number, (front, back) in enumerate(DIFFERENCES):
        column = BIPOLAR_COLUMNS[number]
        for pair in ((front, back), (back, front)):
            found = [n for n, label in read.items() if (NAMES[label.name], label.against) == pair]
            if found and column not in places:
                places[column] = found
                flipped |= {column} - {"-".join(pair)}
                kept[list(CHAINS)[number // 4]] += 1
    kind = min((read[found[0]].kind for found in places.values()), default=0)
    note = "bipolar derivations, taken as they are"
    return _Choice(kind, places, kept, note, "", BIPOLAR_COLUMNS, frozenset(flipped))


def _left_aside(labels, read, best, places):
    """Return notes about signals for the same electrodes that are not taken."""
    notes = [
        f"{labels[places[name]]} stands {len(found)} times, signal {places[name] + 1} is taken"
        for name, found in best.places.items()
        if len(found) > 1
    ]
    taken = {place for found in best.places.values() for place in found}
    aside = [labels[n] for n in read if n not in taken and read[n].against not in ELECTRODES]
    if aside and best.columns == EEG_COLUMNS:
        more = f" and {len(aside) - 3} more" if len(aside) > 3 else ""
        notes.append(f"left aside: {', '.join(aside[:3])}{more}")
    return notes


def _refusal(common, differences):
    """Return what is wrong where nothing can be taken."""
    for one in common:
        if one.doubt and min(one.kept.values()) >= _LEAST:
            return (
                f"expected electrodes on the scalp, found {one.doubt}: from contacts of depth "
                "electrodes these cannot be told; name those of the scalp as EEG Fp1, EEG F3, …"
            )
    best = max(common, key=lambda one: sum(one.kept.values()))
    named = {name for one in common if not one.zero for name in one.places}
    what, wanted = "electrodes of four chains", ELECTRODES
    if sum(differences.kept.values()) > sum(best.kept.values()):
        best, wanted = differences, BIPOLAR_COLUMNS[:-1]
        what = "differences of four chains, found bipolar derivations"
    elif all(_count(chain, named) >= _LEAST for chain in CHAINS):
        found = ", ".join(f"{len(one.places)} with {one.note or _UNNAMED}" for one in common)
        return f"expected electrodes against one reference, found {found}"
    missing = [name for name in wanted if name not in {*best.places, best.zero}]
    return f"expected the {what}, missing {missing}: {_fewest(best.kept)}"


def _fewest(kept):
    """Say which chain keeps the fewest differences."""
    chain = min(kept, key=kept.get)
    return f"{chain} keeps {kept[chain]} of its 4 differences and needs {_LEAST}"


def require_chains(missing):
    """Check that each chain keeps two of its differences where electrodes are missing.

    Raises
    ------
    ValueError
        If one does not.
    """
    kept = {chain: _count(chain, {*ELECTRODES} - {*missing}) for chain in CHAINS}
    if min(kept.values()) < _LEAST:
        raise ValueError(
            f"expected the electrodes of four chains, missing {missing}: {_fewest(kept)}"
        )
