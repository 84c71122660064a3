"""The front page and the docs: what they link to and tell to type is there."""

import json
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest

import hms_utils
from hms_utils import cli

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "outputs" / "README.md", *DOCS]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Files and folders of the repository, but not what is written or mounted elsewhere.
PATH = re.compile(r"(?<![\w/.])(?:hms_utils|docs|benchmarks|tests|notebooks)/[\w./-]*")


def prose(text):
    return FENCED.sub("", text)


def snippets(text):
    """Return what stands in code: lines of blocks that are no Python, and inline pieces."""
    blocks = [block for language, block in FENCED.findall(text) if language != "python"]
    return [line for block in blocks for line in block.splitlines()] + INLINE.findall(prose(text))


def anchors(text):
    """Return the anchors that GitHub gives headings."""
    titles = re.findall(r"^#+ +(.+?) *$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page):
    """Return the links of a page whose file or heading is not there."""
    broken = []
    for link in LINK.findall(prose(page.read_text("utf-8"))):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if link.startswith("https://"):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            broken.append(link)
    return broken


@cache
def targets():
    return set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@cache
def parameters():
    """Return the names in the parameters cells of all notebooks."""
    names = set()
    for file in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(file.read_text("utf-8"))["cells"]:
            if "parameters" in cell["metadata"].get("tags", []):
                names |= set(re.findall(r"^([A-Z_]+) =", "".join(cell["source"]), re.MULTILINE))
    return names


@cache
def options():
    every = [param for command in cli.main.commands.values() for param in command.params]
    return {name for param in every for name in (*param.opts, *param.secondary_opts)}


def complaints(snippet):
    """Return what a piece of code names that is not there."""
    snippet = re.sub(r"<[^<>]+>", "X", snippet).strip()
    found = [f"no file {path}" for path in PATH.findall(snippet) if not (ROOT / path).exists()]
    found += [
        f"no file {name}"
        for name in re.findall(r"(?<![\w/.-])requirements[\w-]*\.txt", snippet)
        if not (ROOT / name).exists()
    ]
    found += [
        f"no extra {name}"
        for name in re.findall(r'-e "?\.\[(\w+)\]', snippet)
        if name not in PROJECT["optional-dependencies"]
    ]
    found += [
        f"no parameter {name}"
        for name in re.findall(r'(?<!\S)-p "?(\w+)=', snippet)
        if name not in parameters()
    ]
    for command in re.split(r"&&|\|\||[;|]", snippet):
        found += _wrong_words(command.strip().lstrip("!"))
    return found


def _wrong_words(command):
    try:
        words = shlex.split(command, comments=True)
    except ValueError:  # a quote in prose, such as an apostrophe
        return []
    match words:
        case ["make", *rest]:
            return [
                f"no target {word}" for word in rest if "=" not in word and word not in targets()
            ]
        case ["python", "-m", "hms_utils", name, *rest]:
            if name not in cli.main.commands:
                return [f"no command {name}"]
            try:  # parses the words, but runs nothing
                cli.main.commands[name].make_context(name, rest)
            except click.UsageError as error:
                return [f"{name}: {error.format_message()}"]
        case [word, *_] if word.startswith("--") and word not in options():
            return [f"no option {word}"]
    return []


def first_sentence(page):
    """Return the first sentence below a page's title."""
    _, paragraph, *_ = page.read_text("utf-8").split("\n\n")
    return re.split(r"(?<=[.:])\s", paragraph)[0].replace("\n", " ")


def says_for_whom(sentence):
    return re.search(r"\bis for (those|everyone|people)\b", sentence) is not None


def missing_names(page):
    """Return names that a table places in a module of the package which lacks them."""
    missing = []
    for row in re.findall(r"^\|.*\|$", page.read_text("utf-8"), re.MULTILINE):
        files = [link for link in LINK.findall(row) if "hms_utils/" in link]
        code = "".join((page.parent / file).read_text("utf-8") for file in files)
        names = [name for name in INLINE.findall(row) if name.isidentifier()]
        missing += [name for name in names if files and not re.search(rf"\b{name}\b", code)]
    return missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page):
    assert broken_links(page) == []
    found = {line: complaints(line) for line in snippets(page.read_text("utf-8"))}
    assert {line: wrong for line, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("make ruin  # a word", "no target ruin"),
        ("make kaggle run2 KAGGLE_USERNAME=me", "no target run2"),
        ("python -m hms_utils walk", "no command walk"),
        ("cd /tmp && python -m hms_utils run --fast", "run: No such option"),
        ("python -m hms_utils sample --patients many --out D", "sample: Invalid value"),
        ("python -m hms_utils check outputs/submission.csv", "check: Missing option '--test'"),
        ("python -m hms_utils run --only 03 -p EPOCH=20", "no parameter EPOCH"),
        ('-p "EPOCH=20"', "no parameter EPOCH"),
        ("--form 02", "no option --form"),
        ("python benchmarks/speed.py --good 3", "no file benchmarks/speed.py"),
        ("hms_utils/scoring.py", "no file hms_utils/scoring.py"),
        ("pip install -r requirements-test.txt", "no file requirements-test.txt"),
        ('pip install -e ".[gpu]"', "no extra gpu"),
    ],
)
def test_what_is_not_there_is_found(line, complaint):
    (found,) = complaints(line)
    assert found.startswith(complaint)


@pytest.mark.parametrize(
    "line",
    [
        "make run     # sets up .venv",
        "!cd /tmp/hms && pip install -q -r requirements.txt && python -m hms_utils run",
        "python -m hms_utils run --data-dir D --quick --from 03 -p EPOCHS=20 -p MAX_PATIENTS=0",
        "python -m hms_utils bundle --output-dir <folder> --user <your name there>",
        "python benchmarks/lessons.py --data-dir D --output-dir O",
        'pip install -e ".[edf]"',
        "--from 02",
        "/kaggle/input/hms_utils/x.py",
        "the experts' own",
    ],
)
def test_what_is_there_is_left_alone(line):
    assert complaints(line) == []


def test_broken_links_are_found(tmp_path):
    (tmp_path / "other.md").write_text("# The end\n\n## 1 · A `name`, and more\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n\n[a](other.md) [b](other.md#1--a-name-and-more) [c](#title) "
        "[d](https://example.org/no) ![e](none.png) [f](other.md#the-start) [g](#end)\n\n"
        "```\n# end\n[h](none.md)\n```\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["none.png", "other.md#the-start", "#end"]


def test_code_is_found_in_blocks_and_lines():
    text = "Type `make run`:\n\n```\nmake test\n```\n\n```python\nmake = 1\n```\n"
    assert snippets(text) == ["make test", "make run"]


def test_names_in_other_modules_are_found(tmp_path):
    (tmp_path / "hms_utils").mkdir()
    (tmp_path / "hms_utils" / "a.py").write_text("def score(): pass\n")
    page = tmp_path / "page.md"
    page.write_text("| [a](hms_utils/a.py), `score` |\n| [a](hms_utils/a.py) | `scores` |\n")
    assert missing_names(page) == ["scores"]


def test_the_front_page_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_the_front_page_leads_to_every_page_and_room():
    links = set(LINK.findall((ROOT / "README.md").read_text("utf-8")))
    rooms = sorted((ROOT / "hms_utils").glob("*/__init__.py"))
    assert len(DOCS) >= 8 and len(rooms) >= 7
    assert {str(path.relative_to(ROOT)) for path in (*DOCS, *rooms)} <= links


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=lambda page: page.name)
def test_functions_are_where_the_tables_say(page):
    assert missing_names(page) == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_page_says_for_whom_it_is(page):
    assert says_for_whom(first_sentence(page))


def test_a_page_that_does_not_say_it_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nThis is the page. It\nis for those who read on.\n\nMore.\n")
    assert first_sentence(page) == "This is the page."
    assert not says_for_whom(first_sentence(page))


def test_licence_and_citation_are_of_this_version():
    assert PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License\n")
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {PROJECT['version']}\nlicense: MIT\n" in citation
    assert PROJECT["version"] == hms_utils.__version__
