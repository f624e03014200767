"""Which modules pytest has loaded as plug-ins of somebody's, for processes that have no pytest.

They are named by `-p`, by PYTEST_PLUGINS or by another plug-in, or are a conftest.py. Packages that
every pytest loads by their entry points are none: a detector of an installed package has an entry
point of its own.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

PYTESTS = ("_pytest.", "fakemamba.")
OURS = Path(__file__).resolve().parents[1] / "conftest.py"


def plugin_modules(config: pytest.Config) -> list[tuple[str, str]]:
    """Name and file of each, in the order in which they were loaded."""
    manager = config.pluginmanager
    of_packages = {id(plugin) for plugin, _ in manager.list_plugin_distinfo()}
    return [
        (plugin.__name__, plugin.__file__)
        for _, plugin in manager.list_name_plugin()
        if isinstance(plugin, ModuleType)
        and id(plugin) not in of_packages
        and plugin.__file__ is not None
        and not plugin.__name__.startswith(PYTESTS)
        and Path(plugin.__file__).resolve() != OURS
    ]
