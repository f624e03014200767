"""``fakemamba compare``: result files to an exit code, a JSON and a comment."""

import json

import pytest
import tyro
from pytest_benchmark.session import PerformanceRegression

from fakemamba.cli.compare import compare

CELL = {
    **{"detector": "fake-mamba-l", "frontend": "xls-r-300m", "part": "encoder"},
    **{"duration_s": 4.0, "batch_size": 1, "precision": "fp32", "backend": "cpu"},
    **{"execution": "eager", "device": "cpu", "attention": "sdpa", "clock": "latency"},
}


def run(*arguments):
    """The exit code of the command, as its user calls it."""
    return tyro.cli(compare, args=[str(argument) for argument in arguments])


@pytest.fixture
def written(tmp_path):
    """Writes launches of one side: a cell of 10 ms times a factor, a little noisy."""

    def write(side, factor=1.0, launches=6, status="measured", driver="580.1"):
        paths = []
        for number in range(launches):
            latency_s = 0.010 * factor * (1 + 0.001 * (number * 7 % 5))
            info = {"cell_id": "a-cell", "cell": CELL, "input": "speech-like", "recording": None}
            info |= {"status": status, "reason": None if status == "measured" else "told why"}
            stats = {"data": None, "median": None}
            if status == "measured":
                info |= {"latency_s": latency_s}
                stats = {"data": [latency_s] * 3, "median": latency_s, "rounds": 3}
                stats |= {"min": latency_s, "max": latency_s, "iqr": 0.0}
            environment = {"device": "CPU: Test", "gpu": {"driver": driver}}
            block = {"schema": 2, "environment": environment, "options": {}, "identity": {}}
            entry = {"name": "a-cell", "fullname": "a-cell", "param": "a-cell", "stats": stats}
            content = {"fakemamba": block, "benchmarks": [entry | {"extra_info": info}]}
            paths.append(tmp_path / f"{side}-{number}.json")
            paths[-1].write_text(json.dumps(content))
        return paths

    return write


@pytest.mark.parametrize(
    ("factor", "wanted", "last"),
    [(1.0, 0, "No regression in 1 cells"), (1.05, 1, "Regression in 1 of 1 cells")],
)
def test_the_exit_code_is_the_verdict_and_the_last_line_says_it(
    written, capsys, factor, wanted, last
):
    assert run("--base", *written("base"), "--head", *written("head", factor)) == wanted
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_options_are_the_rules(written):
    files = ["--base", *written("base"), "--head", *written("head", 1.05)]
    assert run(*files, "--min-effect", "0.1") == 0
    assert run(*files, "--floor-us", "1000") == 0


def test_doubt_passes_unless_strictly(written):
    base, head = written("base"), written("head", 1.04)
    content = json.loads(head[0].read_text())
    info, stats = (content["benchmarks"][0][key] for key in ("extra_info", "stats"))
    info["latency_s"] = stats["median"] = stats["min"] = stats["max"] = 0.011
    stats["data"] = [0.011] * 3
    head[0].write_text(json.dumps(content))
    files = ["--base", *base, "--head", *head, "--min-effect", "0.045"]
    assert run(*files) == 0
    assert run(*files, "--strict") == 1


def test_the_json_alone_gives_the_same_comment(written, tmp_path, capsys):
    found, comment, again = (tmp_path / name for name in ("c.json", "c.md", "again.md"))
    files = ["--base", *written("base"), "--head", *written("head", 1.05)]
    assert run(*files, "--json", found, "--markdown", comment) == 1
    assert json.loads(found.read_text())["verdict"] == "regressed"
    capsys.readouterr()
    assert run("--from-json", found, "--markdown", again) == 0, "it was written, whatever it says"
    assert again.read_text() == comment.read_text()
    assert comment.read_text().startswith("<!-- fakemamba-gate -->")


def test_a_json_that_is_no_comparison_is_refused(written, tmp_path, capsys):
    found, comment = tmp_path / "c.json", tmp_path / "c.md"
    run("--base", *written("base"), "--head", *written("head", 1.05), "--json", found)
    found.write_text(found.read_text().replace('"exit_code": 1', '"exit_code": 0'))
    assert run("--from-json", found, "--markdown", comment) == 2
    assert "exit_code is not 1" in capsys.readouterr().err and not comment.exists()


def test_rendering_and_comparing_are_not_mixed(written, tmp_path, capsys):
    found = tmp_path / "c.json"
    run("--base", *written("base"), "--head", *written("head"), "--json", found)
    for extra in ([], ["--markdown", "x.md", "--strict"], ["--markdown", "x.md", "--json", "y"]):
        assert run("--from-json", found, *extra) == 2
        assert "--from-json goes with --markdown alone" in capsys.readouterr().err


def test_accepted_slowdowns_are_read(written, tmp_path, capsys):
    accepted = tmp_path / "accepted.toml"
    entry = '[[accepted]]\npattern = "a-*"\nfactor = 1.1\nreason = "exact"\nexpires = 2999-01-01\n'
    files = ["--base", *written("base"), "--head", *written("head", 1.05)]
    accepted.write_text(entry)
    assert run(*files, "--accepted", accepted) == 0
    accepted.write_text(entry.replace("2999", "2020"))
    assert run(*files, "--accepted", accepted) == 1
    assert "expired on 2020-01-01" in capsys.readouterr().out
    accepted.write_text("[[accepted]]\n")
    assert run(*files, "--accepted", accepted) == 2
    assert "entry 1 has no" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("base", "head", "code"),
    [
        ({"launches": 1}, {"launches": 1}, "too-few-launches"),
        ({}, {"launches": 5}, "unpaired-launches"),
        ({}, {"driver": "590.1"}, "other-machine"),
        ({}, {"status": "out-of-memory"}, "nothing-measured"),
    ],
    ids=str,
)
def test_input_that_cannot_answer_is_2_and_says_why(written, capsys, base, head, code):
    assert run("--base", *written("base", **base), "--head", *written("head", **head)) == 2
    assert f"{code}: " in capsys.readouterr().out


def test_wrong_files_are_2_and_one_line(written, tmp_path, capsys):
    base, head = written("base"), written("head")
    for arguments, message in (
        ((), "no results given"),
        (("--base", *base), "no results given"),
        (("--base", *base, "--head", *base), "is given twice"),
        (("--base", *base, "--head", *head[:-1], tmp_path / "absent.json"), "absent.json"),
        (("--base", *base, "--head", *head, "--min-effect", "-1"), "min_effect -1.0"),
        (("--base", *base, "--head", *head, "--json", base[0] / "x.json"), "base-0.json"),
    ):
        assert run(*arguments) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1 and "Traceback" not in error


def test_names_do_not_control_the_terminal(written, capsys):
    base, head = written("base"), written("head", 1.05)
    for path in (*base, *head):
        path.write_text(
            path.read_text().replace('"cell_id": "a-cell"', '"cell_id": "\\u001b[2J[red]x"')
        )
    assert run("--base", *base, "--head", *head) == 1
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "[red]" in printed


@pytest.mark.at_length
def test_pytest_benchmarks_own_compare_fail_works_on_our_results(run_pytest, tmp_path):
    command = ["bench/", "--benchmark-storage", f"file://{tmp_path}"]
    command += ["--bench-frontend", "xls-r-tiny"]
    command += ["--bench-detectors", "xlsr-conformer", "--bench-parts", "encoder"]
    command += ["--bench-durations", "0.25", "--bench-time", "0", "--bench-min-rounds", "3"]
    command += ["--bench-instruments", ""]

    def bench(*arguments):
        found = run_pytest(*command, *arguments)
        return found.returncode, found.stdout + found.stderr

    code, printed = bench("--benchmark-save=first")
    assert code == 0, printed
    code, printed = bench("--benchmark-compare=0001", "--benchmark-compare-fail=median:5000%")
    assert code == 0 and "0001_first" in printed, printed
    (saved,) = tmp_path.rglob("0001_first.json")
    content = json.loads(saved.read_text())
    for entry in content["benchmarks"]:
        entry["stats"]["median"] /= 1_000
    saved.write_text(json.dumps(content))
    with pytest.raises(PerformanceRegression, match="Performance has regressed"):
        bench("--benchmark-compare=0001", "--benchmark-compare-fail=median:5000%")
