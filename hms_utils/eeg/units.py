"""Units of voltage, as headers and labels of clinical files write them."""

import re
import unicodedata

# Microvolts in a unit by what stands before its V; æ is µ in the code page of DOS, mk in Russian.
_SCALES = {"": 1e6, "m": 1e3, "milli": 1e3, "n": 1e-3, "nano": 1e-3}
_SCALES |= dict.fromkeys(("u", "\u03bc", "\xe6", "micro", "mk", "mc"), 1)
# Letters of other alphabets, and the code pages that they are written in: none says which it is,
# so that they are read as Latin-1.
_MICRO = {"\u03bcV": "uV"}, ("utf-8", "iso8859-7", "gbk", "euc-kr", "big5", "shift-jis")
_RUSSIAN = (
    {"\u043c\u043a\u0412": "uV", "\u043c\u0412": "mV", "\u043d\u0412": "nV"},
    ("utf-8", "cp1251", "cp866", "koi8-r"),
)
_MEANT = {"\xc2\xb5V": "uV"} | {
    seen: latin
    for units, code_pages in (_MICRO, _RUSSIAN)
    for unit, latin in units.items()
    for written in (unit, unit.lower(), unit.upper())
    for seen in (written, *(written.encode(page).decode("latin-1") for page in code_pages))
}
_BEHIND = re.compile(r"(.*?)(?:[\s_,]*[(\[]([^()\[\]]+)[)\]]|[\s_,/]+(\S{2,}))\s*")


def microvolts(unit):
    """Return the microvolts in a unit: 1 if it is "", None if it is not one of voltage."""
    if not unit:
        return 1
    unit = unicodedata.normalize("NFKC", _MEANT.get(unit, unit)).lower()
    match = re.fullmatch(r"[\[(]?(\w*?)\s*v(ol(ts?)?)?[\]).]?", unit)
    return _SCALES.get(match[1]) if match else None


def split_unit(label):
    """Return a label without the unit of voltage that stands behind it, and that, or ""."""
    match = _BEHIND.fullmatch(label)
    unit = match and (match[2] or match[3]).strip()
    return (match[1], unit) if unit and microvolts(unit) is not None else (label, "")
