"""Set up and run: `python3 dev.py run` is the workbench, `python3 dev.py test` the tests.

Needs Python 3.11 or newer and nothing else. Everything goes into the folder `.venv` beside this
file; libraries are installed from `requirements/`, where each file's hash is written down.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "ivrbench-setup"
OLDEST = (3, 11)

USAGE = """\
usage: python3 dev.py run [options of ivrbench]    the workbench
       python3 dev.py test [options of pytest]     the tests
       python3 dev.py setup                        only set up what `run` needs
"""


class SetupError(Exception):
    """The set-up cannot go on; the text says what to do."""


def main(arguments: list[str]) -> int:
    """Run one of the commands of `USAGE`; returns the exit code."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command not in ("run", "test", "setup"):
        print(USAGE, end="", file=sys.stderr)
        return 0 if command in ("-h", "--help", "help") else 2
    try:
        set_up("dev" if command == "test" else "run")
    except SetupError as exc:
        print(f"dev.py: {exc}", file=sys.stderr)
        return 2
    if command == "setup":
        return 0
    sys.stdout.flush()
    if command == "run":
        return run(rest)
    os.chdir(ROOT)
    workers = [] if any(given.startswith("-n") for given in rest) else ["-n", "auto"]
    here = [] if any("tests" in given for given in rest) else ["--ignore=tests/interop"]
    return hand_over(["-m", "pytest", *workers, *here, *rest])


def run(rest: list[str]) -> int:
    """The workbench; with the settings beside this file unless others are named."""
    own = ["--config", str(ROOT / "ivr.conf")]
    needs_own = not rest or (rest[0] != "call" and "--config" not in rest)
    return hand_over(["-m", "ivrbench", *(own if needs_own else []), *rest])


def hand_over(arguments: list[str]) -> int:
    """Become the Python of the environment; comes back only where that is not possible."""
    os.execv(PYTHON, [str(PYTHON), *arguments])


def set_up(locked: str) -> None:
    """Make `.venv` hold what `requirements/LOCKED.txt` lists; does nothing where it does.

    Raises:
        SetupError: it cannot be made.
    """
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        raise SetupError(
            f"ivrbench needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this one is {found} "
            f"({sys.executable}). Run dev.py with a newer one, such as python3.12 dev.py"
        )
    wanted = {name: fingerprint(name) for name in ("run", "dev")}
    have = STAMP.read_text().split() if STAMP.is_file() else []
    # What the tests need includes what running needs.
    if PYTHON.exists() and (wanted[locked] in have or wanted["dev"] in have):
        return
    if not PYTHON.exists():
        make_environment()
    print(f"dev.py: installing requirements/{locked}.txt into {VENV}", file=sys.stderr)
    locks = [f"--requirement={ROOT}/requirements/{name}.txt" for name in (locked, "build")]
    pip("install", "--require-hashes", *locks)
    pip("install", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    STAMP.write_text(wanted[locked])


def fingerprint(locked: str) -> str:
    """Changes when the set-up has to be done again."""
    locks = [ROOT / "requirements" / f"{name}.txt" for name in (locked, "build")]
    parts = [*locks, ROOT / "pyproject.toml", *sorted(ROOT.glob("ivrbench/**/*.c"))]
    content = b"".join(part.read_bytes() for part in parts)
    return hashlib.sha256(content + sys.version.encode() + str(ROOT).encode()).hexdigest()


def make_environment() -> None:
    """Make `.venv` with pip in it."""
    print(f"dev.py: making {VENV}", file=sys.stderr)
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        raise SetupError(
            "this Python comes without ensurepip, which makes environments. On Debian and Ubuntu: "
            "apt install python3-venv"
        ) from None
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SetupError(f"{VENV} cannot be made:\n{done.stdout}{done.stderr}")


def pip(*arguments: str) -> None:
    """Run the environment's pip, quietly unless it fails."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SetupError(
            f"pip could not install what ivrbench needs (is there a network?):\n{done.stderr}"
        )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
