"""The pytest plugin: fixtures `bench`, `ivr_scripts` and `live_bench`, found by pytest by itself.

Nothing of ivrbench but this file is loaded before a test asks for one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ivrbench.testing.bench import Bench, BenchBase
    from ivrbench.testing.live import LiveBench
    from ivrbench.testing.scripts import IvrScripts

__all__ = ["bench", "ivr_scripts", "live_bench", "pytest_addoption"]

INI_KEY = "ivr_script_path"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tell pytest where the scripts are."""
    parser.addini(INI_KEY, "folder of the IVR scripts under test", default="scripts")


@pytest.fixture
def ivr_scripts(tmp_path: Path) -> IvrScripts:
    """Builder of scripts in a temporary directory; what is written here is what `bench` serves."""
    from ivrbench.testing.scripts import IvrScripts

    return IvrScripts(tmp_path / "ivr")


@pytest.fixture
def bench(request: pytest.FixtureRequest, ivr_scripts: IvrScripts) -> Iterator[Bench]:
    """An engine in virtual time with the project's scripts, or those of `ivr_scripts`.

    The project's are in the folder that `ivr_script_path` names in pytest's configuration
    (default: `scripts`).
    """
    from ivrbench.testing.bench import Bench

    with Bench() as made:
        _prepare(made, request, ivr_scripts)
        yield made


@pytest.fixture
def live_bench(request: pytest.FixtureRequest, ivr_scripts: IvrScripts) -> Iterator[LiveBench]:
    """The same on real sockets of the loopback interface and in real time."""
    from ivrbench.testing.live import LiveBench

    with LiveBench() as made:
        _prepare(made, request, ivr_scripts)
        yield made


def _prepare(bench: BenchBase, request: pytest.FixtureRequest, scripts: IvrScripts) -> None:
    config = request.config
    project = config.rootpath / str(config.getini(INI_KEY))
    bench.choose_scripts = lambda: _choice(project, scripts)
    bench.folders.append(request.path.parent)  # of the sound files of the test


def _choice(project: Path, scripts: IvrScripts) -> tuple[Path, Path | None]:
    """The folder to serve, and that of the `NAME.conf` files if a test has written some."""
    return (
        scripts.folder if scripts.written else project,
        scripts.conf_folder if scripts.configured else None,
    )
