"""The table of what was damaged or lacking, and what came of it."""

import re

from hms_utils import paths

_ANSWERS = {
    "as without it": "the result is the same, to the byte where it is a file",
    "said, and went on": "what is concerned is left out or answered otherwise, with this line",
    "refused": "an error of this one line",
    "goes on": "run again, it ends in the same files, to the byte",
}


def write(path, reports):
    """Write a table of the faults that tests have recorded.

    Parameters
    ----------
    path : Path
    reports : list of pytest.TestReport
        Of tests that passed.
    """
    rows = [value for one in reports for name, value in one.user_properties if name == "fault"]
    groups = {}
    for group, *row in rows:
        groups.setdefault(group, []).append(row)
    counts = ", ".join(f"{sum(row[2] == answer for row in rows)} {answer}" for answer in _ANSWERS)
    lines = [
        "# Faults and their answers",
        "",
        "Written by `make faults` from the tests that passed.",
        f"{len(rows)} faults in {len(groups)} groups: {counts}.",
        "",
        *(f"- *{answer}*: {meaning}" for answer, meaning in _ANSWERS.items()),
        "",
        "| what | fault | answer | message |",
        "| --- | --- | --- | --- |",
    ]
    for group, of_group in groups.items():
        for row in of_group:
            cells = [
                re.sub(r"\s+", " ", str(cell).replace(f"{paths.REPOSITORY}/", "")).replace(
                    "|", "\\|"
                )[:300]
                for cell in row
            ]
            lines.append(f"| {group} | " + " | ".join(cells) + " |")
    with paths.replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"\n{path}: {len(rows)} faults: {counts}")
