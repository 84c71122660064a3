"""What the label of a clinical signal says: an electrode and what it is measured against."""

import re
from typing import NamedTuple

from hms_utils.constants import ELECTRODES, NEW_NAMES
from hms_utils.eeg.units import split_unit

# What a label has in capitals, and the electrode that it means.
NAMES = {name.upper(): name for name in ELECTRODES}
NAMES |= {new: old for new, old in NEW_NAMES.items()}
_ONE = "|".join(NAMES)
_GLUED = r"V?REF|C?LE|C?AR|AVE?G?|AVERAGE|[AM][12](\+?[AM][12])?"  # without a dash
_LABEL = re.compile(
    r"((CH(AN(NEL)?)?|#)?[\s_.]*\d{1,3}[\s_.:-]+)?"  # channels may be numbered
    r"((?P<kind>EEG|SEEG|POL|BIP|[EP](?=[^A-Z0-9]))[\s_.:-]*(\d{1,3}[\s_.:-]+)?)?"
    rf"(?P<name>{_ONE}|[A-Z]{{1,3}}\d{{1,2}})"
    rf"((?P<second>{_ONE}|{_GLUED})|(?P<between>[\s_.:/>-]+(EEG[\s_.:-]+)?)(?P<behind>.*))?"
)
# Russian programs write some letters of electrodes in Russian, which look the same, and word
# processors make dashes of hyphens.
_ALIKE = str.maketrans(
    "\u0410\u0415\u041c\u041e\u0420\u0421\u0422\u0430\u0435\u043e\u0440\u0441"
    "\u2010\u2011\u2012\u2013\u2014\u2212\x96\x97",
    "AEMOPCTaeopc--------",
)
# From the surest to the least: where an amplifier calls its scalp electrodes EEG, POL is
# what else was plugged in.
_KINDS = {"EEG": 0, "BIP": 0, None: 1, "E": 1, "P": 2, "POL": 2, "SEEG": 3}
_AGAIN = re.compile(r"[\s_.-]+\d+$|[\s.]+$")  # behind a label that stands twice
# Behind a dash every word is a reference but a few; behind a space only these are.
_REFERENCE = re.compile(r"(V?REF|LE|C?AR|AV[EG]?|AVERAGE|GND|X|([AMG][12]\W*)+|(N|[AFCPO]+)Z)?\d*")
_SOMETHING_ELSE = re.compile(r"IMP(EDANCE)?|Z|E[MO]G|DC|TRIG(GER)?|ENV(ELOPE)?|POWER|QUALITY")
# Numbers that a scalp has; a depth electrode's contacts have all, and go on.
_ON_SCALP = {"F": range(1, 11), "C": range(1, 7), "T": range(1, 11), "P": range(1, 11)}
_ON_SCALP |= {"FP": (1, 2, 9, 10), "O": (1, 2, 9, 10)}
_NO_CONTACT = {"Fp1", "Fp2", "Fz", "Cz", "Pz"}  # names that only scalp electrodes have


class Label(NamedTuple):
    """What a label says."""

    kind: int  # 0 for what is surely an electrode on the scalp
    name: str  # in capitals
    against: str  # one of the 19, or a reference in capitals, or ""
    shown: str  # the reference as it is written


def read_label(label):
    """Return what a label says, or None if it is of no electrode."""
    text = re.sub(r"[()\[\]]", "", split_unit(label.translate(_ALIKE))[0]).strip()
    match = _LABEL.fullmatch(text.upper())
    if not match:
        return None
    behind = (match["second"] or match["behind"] or "").strip()
    while behind != (behind := _AGAIN.sub("", behind)):
        pass
    old_and_new = behind != match["name"] and NAMES.get(behind) == NAMES.get(match["name"], "")
    if behind.isdigit() or old_and_new:  # T3 (T7)
        behind = ""
    if behind not in NAMES:
        only_space = (match["between"] or "").isspace()
        if _SOMETHING_ELSE.fullmatch(behind):
            return None
        if only_space and not _REFERENCE.fullmatch(behind):
            return None
    shown = text[match.start("behind" if match["behind"] else "second") :][: len(behind)]
    against = NAMES.get(behind, re.sub(r"\s", "", behind))
    return Label(_KINDS[match["kind"]], match["name"], against, shown)


def is_electrode(label):
    """Return whether a label names one of the 19 electrodes, alone or against something."""
    found = read_label(label)
    return bool(found) and found.name in NAMES


def doubt(names, beside):
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
        alike = sorted(name for name in names if re.fullmatch(rf"{letters}\d", name))
        further = [
            int(number) for number in numbers if int(number) not in _ON_SCALP.get(letters, ())
        ]
        # C03 is not confused with C3.
        if alike and further and not any(number[0] == "0" for number in numbers):
            return f"{', '.join(alike)} beside {letters}{max(further)}"
        twice = [name for name in alike if beside.count(name) > 1]
        others = sorted({letters + n for n in numbers} - NAMES.keys())
        if twice and others:
            return f"{', '.join(twice)} twice, beside {', '.join(others)}"
    certain = {NAMES[name] for name in names} & _NO_CONTACT
    return "" if certain else f"none of {', '.join(sorted(_NO_CONTACT))}"
