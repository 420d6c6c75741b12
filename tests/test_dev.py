"""`dev.py`: set-up happens once, and what it cannot do is said in a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dev


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """An environment that pip only pretends to fill; gives pip's calls."""
    calls: list[tuple[str, ...]] = []
    venv = tmp_path / ".venv"
    monkeypatch.setattr(dev, "VENV", venv)
    monkeypatch.setattr(dev, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(dev, "STAMP", venv / "stamp")
    monkeypatch.setattr(dev, "pip", lambda *arguments: calls.append(arguments))

    def make() -> None:
        (venv / "bin").mkdir(parents=True)
        (venv / "bin" / "python").write_text("")

    monkeypatch.setattr(dev, "make_environment", make)
    return calls


def test_set_up_happens_once(environment: list[tuple[str, ...]]) -> None:
    """Nothing is installed again while requirements and Python stay the same."""
    dev.set_up("run")
    n_calls = len(environment)
    assert n_calls > 0
    dev.set_up("run")
    assert len(environment) == n_calls


def test_running_needs_nothing_more_than_the_tests(environment: list[tuple[str, ...]]) -> None:
    """After the tests, `run` starts at once; after `run`, the tests need more."""
    dev.set_up("run")
    dev.set_up("dev")
    n_calls = len(environment)
    dev.set_up("run")
    assert len(environment) == n_calls
    assert any("--require-hashes" in call for call in environment)


def test_changed_requirements_are_installed(
    environment: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new lock file makes the set-up run again, in the same environment."""
    dev.set_up("run")
    n_calls = len(environment)
    monkeypatch.setattr(dev, "fingerprint", lambda name: f"new {name}".replace(" ", "-"))
    dev.set_up("run")
    assert len(environment) > n_calls


def test_tests_need_all_that_running_needs() -> None:
    """`requirements/dev.txt` holds every line of `requirements/run.txt`."""
    folder = Path(dev.ROOT) / "requirements"
    pins = {
        name: {line.split()[0] for line in (folder / name).read_text().splitlines() if "==" in line}
        for name in ("run.txt", "dev.txt")
    }
    assert pins["run.txt"] <= pins["dev.txt"]


def test_old_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names what is needed, what there is, and what to do."""
    monkeypatch.setattr(dev, "OLDEST", (9, 1))
    with pytest.raises(dev.SetupError, match=r"needs Python 9\.1 or newer; this one is 3\."):
        dev.set_up("run")


def test_missing_ensurepip_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Debian's Python comes without it."""
    monkeypatch.setattr(dev, "VENV", tmp_path)
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(dev.SetupError, match="apt install python3-venv"):
        dev.make_environment()


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["tset"], 2), (["--help"], 0)])
def test_usage(arguments: list[str], code: int) -> None:
    """Anything it does not know shows how it is used."""
    done = subprocess.run(
        [sys.executable, str(dev.ROOT / "dev.py"), *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert "python3 dev.py run" in done.stderr
