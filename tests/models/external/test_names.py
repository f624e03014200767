"""Names of code of others: their options, and what is said where nothing stands behind them."""

import sys
from textwrap import dedent
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakemamba.models.external.names import (
    ExternalDetectorError,
    installed_names,
    is_code_name,
    load_code,
    split_options,
)
from fakemamba.models.registry import UnknownDetectorError, detector_entry, list_detectors


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("4", 4), ("-4", -4), ("1e-3", 0.001), ("true", True), ("false", False)),
        *(("True", True), ("False", False)),  # as Python writes them
        *(("none", "none"), ("null", "null"), ("", ""), ("a=b", "a=b"), ("[1]", "[1]")),
        *(("NaN", "NaN"), ("Infinity", "Infinity"), ("1e999", "1e999")),  # in no JSON
        ("[" * 100_000, "[" * 100_000),
        ("/models/wav2vec2+aasist", "/models/wav2vec2+aasist"),
        ("a%2Cb%26c", "a,b&c"),
    ],
)
def test_an_option_is_a_number_a_truth_or_a_text(text, value):
    base, options = split_options(f"package.module:factory?first=1&it={text}")
    assert base == "package.module:factory" and options == {"first": 1, "it": value}
    assert type(options["it"]) is type(value)


def test_a_name_without_options_has_none():
    assert split_options("fake-mamba") == ("fake-mamba", {})
    assert split_options("fake-mamba?") == ("fake-mamba", {})


VALUES = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: f"t{text}")


@given(st.dictionaries(TEXTS, VALUES | TEXTS, max_size=3))
def test_a_name_with_any_options_is_read_as_it_was_written(options):
    pairs = [f"{quote(key, '')}={quote(str(value), '')}" for key, value in options.items()]
    name = "package.module:factory" + "?" * bool(pairs) + "&".join(pairs)
    assert split_options(name) == ("package.module:factory", options)
    assert is_code_name(name)


@given(st.text())
def test_any_text_is_split_or_refused_in_a_line(text):
    try:
        split_options(text)
    except ExternalDetectorError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("query", ["depth", "depth=1&&a=2", "depth=1&depth=2", "&"])
def test_options_that_are_none_are_refused(query):
    with pytest.raises(ExternalDetectorError, match=r"option=value|stands twice"):
        split_options(f"a:b?{query}")


@pytest.mark.parametrize("name", ["a:b", "a.b.c:D.e", "_a1:b?x=:/", "ü:ä"])
def test_what_is_a_name_of_code(name):
    assert is_code_name(name)


@pytest.mark.parametrize("name", ["a", "a:", ":b", "a.:b", "a:b:c", "1a:b", "a/b:c", "C:\\a", ""])
def test_what_is_none(name):
    assert not is_code_name(name)


def refusal(name):
    with pytest.raises(ExternalDetectorError) as caught:
        load_code(name)
    return str(caught.value)


def test_the_current_folder_is_searched_last(code, monkeypatch):
    first = code("FOUND = 'the current folder'")
    assert load_code(f"{first}:FOUND") == "the current folder"
    code("FOUND = 'the current folder'", "colorsys")  # as a module of Python's
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    assert load_code("colorsys:rgb_to_hls").__module__ == "colorsys"


def test_a_module_that_is_not_there(folder):
    assert refusal("nowhere.at_all:it") == (
        "nowhere.at_all:it: there is no module nowhere, neither installed nor in the current folder"
    )
    (folder / "here").mkdir()
    (folder / "here" / "__init__.py").touch()
    assert "there is no module here.not_there, neither" in refusal("here.not_there:it")


def test_a_module_that_misses_another_is_told_apart_and_shows_where(code):
    name = code("def late():\n    import not_installed\nlate()")
    told = refusal(f"{name}:it")
    first, *rest = told.splitlines()
    assert first == (
        f"{name}:it cannot be imported: ModuleNotFoundError: No module named 'not_installed'"
    )
    assert rest[0].startswith("Traceback") and rest[-1] == first.partition("imported: ")[2]
    assert f'{name}.py", line 5' in told and "late()" in told


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("raise ValueError('first\\nsecond')", "ValueError: first"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import argparse\nargparse.ArgumentParser().parse_args(['--no'])", "SystemExit: 2"),
        ("def", "SyntaxError: invalid syntax"),
        ("None.name", "AttributeError: 'NoneType' object has no attribute 'name'"),
        ("error = KeyError('k')\nerror.add_note('a note')\nraise error", "KeyError: 'k'"),
        ("class E(Exception):\n    __str__ = None\nraise E()", "<exception str() failed>"),
    ],
)
def test_an_import_that_fails_shows_its_own_frames_and_none_of_ours(code, capsys, text, line):
    name = code(text)
    told = refusal(f"{name}:it")
    first, _, rest = told.partition("\n")
    assert first.startswith(f"{name}:it cannot be imported: ") and first.endswith(line)
    assert f"{name}.py" in rest
    assert "names.py" not in rest and "importlib" not in rest
    files = [one for one in rest.splitlines() if one.startswith("  File ")]
    assert name in files[0]


def test_frames_of_folders_that_are_called_like_ours_are_shown(folder):
    (folder / "models_of_others.py").write_text("raise ValueError('no')")
    assert "models_of_others.py" in refusal("models_of_others:it")


def test_ctrl_c_at_import_passes(code):
    name = code("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_code(f"{name}:it")


def test_an_attribute_that_is_not_there(code, folder):
    name = code("class A:\n    b = 1")
    assert load_code(f"{name}:A.b") == 1
    assert refusal(f"{name}:A.c") == (
        f"{name}:A.c: {name} has no A.c; it was read from {folder / name}.py"
    )
    lazy = code("def __getattr__(name):\n    raise RuntimeError('lazy ' + name)")
    assert f"{lazy}:it cannot be imported: RuntimeError: lazy it\n" in refusal(f"{lazy}:it")


def test_a_package_declares_a_detector(code, install):
    name = code('def make():\n    """Theirs."""\n    return nn.Linear(2, 2)')
    install("their-package", theirs=f"{name}:make")
    assert installed_names()["theirs"].packages == "their-package 1.2"
    assert name not in sys.modules  # nothing is imported before it is asked for
    assert detector_entry("theirs").summary == "Theirs."
    assert detector_entry("theirs").origin()["module"] == name


def test_two_packages_that_declare_the_same_name_are_both_named(code, install):
    name = code("def make():\n    return 1")
    install("one", theirs=f"{name}:make")
    install("two", theirs=f"{name}:other")
    with pytest.raises(ExternalDetectorError) as caught:
        detector_entry("theirs")
    told = str(caught.value)
    assert "one 1.2" in told and "two 1.2" in told
    assert f"{name}:make" in told and f"{name}:other" in told and "\n" not in told


def test_a_broken_package_breaks_no_other(code, install):
    good = code("def make():\n    return 1")
    bad = code("raise ValueError('broken')")
    install("good", good=f"{good}:make")
    install("bad", bad=f"{bad}:make")
    assert set(installed_names()) >= {"good", "bad"}
    assert detector_entry("good").made_by() == 1
    with pytest.raises(ExternalDetectorError, match="ValueError: broken"):
        detector_entry("bad")
    assert detector_entry("fake-mamba").is_ours


def test_a_package_without_metadata_breaks_no_other(code, install, folder):
    good, also = code("def make():\n    return 1"), code("def make():\n    return 2")
    install("good", good=f"{good}:make")
    install("odd", odd=f"{also}:make")
    (folder / "odd-1.2.dist-info" / "METADATA").unlink()
    assert detector_entry("good").made_by() == 1 and detector_entry("odd").made_by() == 2
    assert installed_names()["odd"].packages in (f"{also}:make", "odd 1.2")  # by Python's version


@pytest.mark.parametrize("written", ["{0}:make [extra]", "{0} : make", "{0}:make[a,b]"])
def test_what_stands_around_a_declared_name_is_no_part_of_it(code, install, written):
    install("their-package", theirs=written.format(code("def make():\n    return 1")))
    assert detector_entry("theirs").made_by() == 1


@pytest.mark.parametrize("written", ["{0}", "{0}:", "a b"])
def test_a_declaration_of_no_attribute_is_refused(code, install, written):
    install("their-package", theirs=written.format(code("")))
    with pytest.raises(ExternalDetectorError, match=r"declared by their-package 1\.2 as"):
        detector_entry("theirs")


def test_a_name_of_this_package_is_this_packages(code, install, folder):
    name = code("raise ValueError('imported')")
    install("impostor", **{"fake-mamba-l": f"{name}:make"})
    (folder / "fake-mamba-l").mkdir()  # as one may train into it
    (folder / "fake-mamba-l" / "config.json").write_text("{}")
    entry = detector_entry("fake-mamba-l")
    assert entry.is_ours and entry.preset == {"depth": 7}


def test_an_unknown_name_gets_near_ones_and_how_to_name_ones_own(code, install):
    install("their-package", **{"spectral-net": f"{code('')}:make"})
    with pytest.raises(UnknownDetectorError) as caught:
        detector_entry("spectral_net2")
    told = str(caught.value)
    assert "did you mean spectral-net or" in told and "package.module:factory" in told
    assert all(name in told for name in list_detectors())


def test_a_class_in_a_module_of_a_package_is_found(folder):
    (folder / "their").mkdir()
    text = "class Outer:\n    class Inner:\n        x = 3"
    (folder / "their" / "nets.py").write_text(dedent(text))  # without an __init__.py
    assert load_code("their.nets:Outer.Inner.x") == 3
