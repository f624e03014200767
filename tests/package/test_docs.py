"""Documentation that stays true: links, files and names of the architecture, and its imports."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "examples/*.md", "results/**/*.md", "data/**/*.md")
    for page in ROOT.glob(pattern)
)
ARCHITECTURE = ROOT / "docs" / "architecture.md"
ROOMS = ("models", "baselines", "data", "training", "evaluation", "bench", "analysis", "cli")
EVERY_ROOM = ("fakemamba", *ROOMS)
LINK = re.compile(r"\]\(([^()\s]+)\)")
PLACE = re.compile(r"`([\w/]+\.(?:py|toml|md))(?:::([\w.]+))?`")


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} is not there"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


def names_of(path):
    """What a module defines, and its classes' methods as ``Class.method``."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{one.name}" for one in node.body if hasattr(one, "name")}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
    return names


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_files_and_functions_that_are_named_are_there(page):
    for path, name in PLACE.findall((ROOT / page).read_text()):
        if "NAME" in path or "/" not in path:
            continue
        assert (ROOT / path).is_file(), f"{path} is not there"
        assert not name or name in names_of(ROOT / path), f"{path} has no {name}"


def rows(head):
    """The rows of the architecture's table that begins with a head, as cells without marks."""
    lines = iter(ARCHITECTURE.read_text().splitlines())
    next(line for line in lines if line.startswith(f"| {head} |"))
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip().strip("`/") for cell in line.strip("|").split("|")]


def imports():
    """Each file of a room that imports another one, with that room."""
    for room in EVERY_ROOM:
        for path in (ROOT / room).rglob("*.py"):
            found = set()
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    found |= {f"{node.module}.{name.name}" for name in node.names}
                elif isinstance(node, ast.Import):
                    found |= {name.name for name in node.names}
            modules = [name.split(".") for name in found if name.startswith("fakemamba.")]
            others = {name[1] if name[1] in ROOMS else "fakemamba" for name in modules}
            for other in others - {room}:
                yield path.relative_to(ROOT).as_posix(), room, other


def rooms_in(text):
    named = {room for room in EVERY_ROOM if room in text}
    return {*EVERY_ROOM} - named if text.startswith("all but") else named


def test_rooms_import_what_the_architecture_says():
    allowed = {room: rooms_in(others) for room, _, others in rows("room")}
    debts = {(path, other) for path, other, _ in rows("debt")}
    assert set(allowed) == {*EVERY_ROOM}
    wrong = {(path, other) for path, room, other in imports() if other not in allowed[room]}
    assert wrong - debts == set(), "no arrow of docs/architecture.md"
    assert debts - wrong == set(), "no longer a debt: remove it from docs/architecture.md"
