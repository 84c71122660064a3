"""The table of what was damaged or lacking, and what came of it."""

import re
from pathlib import PurePosixPath

from hms_utils import paths

_ANSWERS = {
    "as without it": "the result is the same, to the byte where it is a file",
    "said, and went on": "what is concerned is left out or answered otherwise, with this line",
    "refused": "an error of this one line",
    "goes on": "run again, it ends in the same files, to the byte",
}
# By the file of the test, in the order of the page.
_KINDS = {
    "test_damages": "damage to files",
    "test_clinical_oddities": "oddities of EDF and BDF files",
    "test_interruptions": "interruptions",
    "test_resources": "lacks of the machine",
    "test_ways": "other data and other machines",
    "test_places": "names and ways of folders",
    "test_security": "code and secrets in files",
}


def write(path, reports, n_failed, n_skipped):
    """Write a table of the faults that tests have recorded.

    Parameters
    ----------
    path : Path
    reports : list of pytest.TestReport
        Of tests that passed.
    n_failed, n_skipped : int
        Tests whose faults are not in the table.
    """
    kinds = {kind: [] for kind in _KINDS.values()}
    for one in reports:
        kind = _KINDS.get(PurePosixPath(one.nodeid.partition("::")[0]).stem)
        kinds.setdefault(kind, []).extend(v for name, v in one.user_properties if name == "fault")
    every = [row for rows in kinds.values() for row in rows]
    lines = [
        "# Faults and their answers",
        "",
        "Written by `make faults`, from the tests that passed: what was damaged, interrupted or "
        "lacking, what came of it, and the line that a user reads.",
        f"Tests that failed, and are not in it: {n_failed}; that could not be tried here: "
        f"{n_skipped}.",
        "",
        *(f"- *{answer}*: {meaning}" for answer, meaning in _ANSWERS.items()),
        "",
        _line("kind", "faults", *_ANSWERS),
        _line(*["---"] * (2 + len(_ANSWERS))),
        *(_line(kind, *_counts(rows)) for kind, rows in kinds.items() if rows),
        _line("all", *_counts(every)),
    ]
    for kind, rows in kinds.items():
        if rows:
            lines += ["", f"## {kind[0].upper()}{kind[1:]}", ""]
            lines += [_line("of what", "fault", "answer", "message"), _line(*["---"] * 4)]
            lines += [_line(*row) for row in rows]
    with paths.replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    counts = ", ".join(f"{len(rows)} {kind}" for kind, rows in kinds.items() if rows)
    print(f"\n{path}: {len(every)} faults: {counts}; {n_failed} tests failed")


def _counts(rows):
    return len(rows), *(sum(row[2] == answer for row in rows) for answer in _ANSWERS)


def _line(*cells):
    texts = (str(cell).replace(f"{paths.REPOSITORY}/", "") for cell in cells)
    # Marks of Markdown in names, and names that a machine gives to temporary folders.
    texts = (re.sub(r"\s+", " ", text).replace("|", "\\|")[:300] for text in texts)
    return f"| {' | '.join(texts)} |"
