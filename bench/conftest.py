"""`pytest bench/` is a sweep by this; all else is in the plug-in, also without a clone."""

pytest_plugins = ["fakemamba.bench.plugin"]
