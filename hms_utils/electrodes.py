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
    NEW_NAMES,
)

_NAMES = {name.upper(): name for name in ELECTRODES}
_NAMES |= {new: old for new, old in NEW_NAMES.items()}
_ONE = "|".join(_NAMES)
_LABEL = re.compile(
    r"((?P<kind>EEG|SEEG|POL|BIP|[EP](?=[^A-Z0-9]))[\s_.:-]*)?"
    rf"(?P<name>{_ONE}|[A-Z]{{1,3}}\d{{1,2}})"
    rf"((?P<second>{_ONE})|(?P<between>[\s_.:/>-]+)(?P<behind>.*))?"
)
# From the surest to the least: where an amplifier calls its scalp electrodes EEG, POL is
# what else was plugged in.
_KINDS = {"EEG": 0, "BIP": 0, None: 1, "E": 1, "P": 2, "POL": 2, "SEEG": 3}
_AGAIN = re.compile(r"[\s_.-]+\d+$|[\s.]+$")  # behind a label that stands twice
# Behind a dash every word is a reference but a few; behind a space only these are.
_REFERENCE = re.compile(r"(V?REF|LE|C?AR|AV[EG]?|AVERAGE|GND|X|([AMG][12]\W*)+|(N|[AFCPO]+)Z)?\d*")
_SOMETHING_ELSE = re.compile(r"IMP(EDANCE)?|Z|E[MO]G|DC|TRIG(GER)?|ENV(ELOPE)?|POWER|QUALITY")
# The last numbers on a scalp; those of a depth electrode's contacts go on.
_LAST = {"FP": 2, "F": 10, "C": 6, "T": 10, "P": 10, "O": 2}
_NO_CONTACT = {"Fp1", "Fp2", "Fz", "Cz", "Pz"}  # names that only scalp electrodes have
_LEAST = 2  # differences that a chain needs
_UNNAMED = "without a name of the reference"
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


class _Label(NamedTuple):
    kind: int
    name: str  # in capitals
    against: str  # one of the 19, or a reference in capitals, or ""
    shown: str  # the reference as it is written


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


def is_electrode(label):
    """Return whether a label names one of the 19 electrodes, alone or against something."""
    found = _read(label)
    return bool(found) and found.name in _NAMES


def find_electrodes(labels, rates=None):
    """Find the electrodes and the EKG among the labels of a file.

    Scalp electrodes come before others, and all have one reference, or those of each
    side have: in differences it must cancel. The differences of the double banana
    themselves are taken where a file holds more of them.

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
    read = {place: found for place, label in enumerate(labels) if (found := _read(label))}
    read_electrodes = {place: label for place, label in read.items() if label.name in _NAMES}
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


def _read(label):
    """Return what a label says, or None if it is of no electrode."""
    text = re.sub(r"[()\[\]]", "", label).strip()
    match = _LABEL.fullmatch(text.upper())
    if not match:
        return None
    behind = (match["second"] or match["behind"] or "").strip()
    while behind != (behind := _AGAIN.sub("", behind)):
        pass
    if behind.isdigit():
        behind = ""
    if behind not in _NAMES:
        only_space = (match["between"] or "").isspace()
        if _SOMETHING_ELSE.fullmatch(behind):
            return None
        if only_space and not _REFERENCE.fullmatch(behind):
            return None
    shown = text[match.start("behind") :][: len(behind)] if match["behind"] else behind
    against = _NAMES.get(behind, re.sub(r"\s", "", behind))
    return _Label(_KINDS[match["kind"]], match["name"], against, shown)


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
        places.setdefault(_NAMES[read[place].name], []).append(place)
    zero = label.against if label.against in ELECTRODES else None
    beside = [other for other in read.values() if (other[0], other[2]) == (label[0], label[2])]
    return _Choice(
        label.kind,
        places,
        {chain: _count(chain, {*places, zero}) for chain in CHAINS},
        label.shown and f"against {label.shown}",
        _doubt({read[place].name for place in group}, [other.name for other in beside]),
        zero=zero,
    )


def _count(chain, electrodes):
    return sum({*pair} <= electrodes for pair in pairwise(CHAINS[chain]))


def _doubt(names, beside):
    """Return why electrodes may be contacts of depth electrodes, or "".

    Parameters
    ----------
    names : set of str
        Of the electrodes.
    beside : list of str
        All names with the same kind and reference.
    """
    series = {}
    for name in beside:
        if match := re.fullmatch(r"([A-Z]+)(\d+)", name):
            series.setdefault(match[1], []).append(match[2])
    for letters, numbers in series.items():
        last = max(numbers, key=int)
        alike = sorted(name for name in names if re.fullmatch(rf"{letters}\d", name))
        # C03 is not confused with C3.
        counts_on = int(last) > _LAST.get(letters, 99) and not any(n[0] == "0" for n in numbers)
        if alike and counts_on:
            return f"{', '.join(alike)} beside {letters}{last}"
    certain = {_NAMES[name] for name in names} & _NO_CONTACT
    return "" if certain else f"none of {', '.join(sorted(_NO_CONTACT))}"


def _two_sides(common):
    """Return choices whose left and right electrodes have different references."""
    ends = {
        side: {name for chain in chains for name in CHAINS[chain]}
        for side, chains in _SIDES.items()
    }
    choices = []
    for left, right in permutations([one for one in common if not one.zero], 2):
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
            found = [n for n, label in read.items() if (_NAMES[label.name], label.against) == pair]
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
        found = ", ".join(f"{len(one.places)} {one.note or _UNNAMED}" for one in common)
        return f"expected electrodes against one reference, found {found}"
    missing = [name for name in wanted if name not in {*best.places, best.zero}]
    chain = min(best.kept, key=best.kept.get)
    return (
        f"expected the {what}, missing {missing}: "
        f"{chain} keeps {best.kept[chain]} of its 4 differences and needs {_LEAST}"
    )
