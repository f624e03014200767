"""What every pytest loads where fakemamba is installed: next to nothing.

`pytest --pyargs fakemamba.bench` names no folder, so that pytest would find the conftest.py that
knows the options only when it has refused them.
"""

from __future__ import annotations

import pytest

ROOM = "fakemamba.bench"


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Load the sweep's options before options are read, where a sweep is named."""
    known = early_config.known_args_namespace
    rooms = [word for word in known.file_or_dir if f"{word}.".startswith((f"{ROOM}.", f"{ROOM}::"))]
    if known.pyargs and rooms:
        early_config.pluginmanager.import_plugin(f"{ROOM}.plugin")
