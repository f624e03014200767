"""What the open corpus is made of: system and Python packages, and whether they are there."""

from __future__ import annotations

import shutil
import subprocess
from importlib import metadata

from fakemamba.data.open_speech.attacks import ATTACKS
from fakemamba.data.open_speech.prompts import READERS
from fakemamba.typed import install_command

# Modules that all need, and whose version may change a sample.
LIBRARIES = ("av", "numpy", "scipy", "soundfile", "soxr")


class MissingPackagesError(ValueError):
    """Something that the corpus is made of is not installed; the message says how to install it."""


def debian_packages() -> tuple[str, ...]:
    """Names of the system packages with the recordings, the synthesizers and their voices."""
    names = {name for attack in ATTACKS.values() for name in attack.debian}
    for reader in READERS.values():
        names |= {reader.package, reader.texts_package}
    return tuple(sorted(names))


def python_modules() -> tuple[str, ...]:
    """Names of the modules that the extra ``corpus`` brings."""
    return tuple(sorted({name for attack in ATTACKS.values() for name in attack.modules}))


def installed_versions() -> dict[str, str]:
    """The version of every package that the corpus depends on.

    Raises:
        MissingPackagesError: some are not installed; with the commands that install them.
    """
    debian = _debian_versions()
    packages = metadata.packages_distributions()  # of each module; WORLD's has several names
    modules = (*python_modules(), *LIBRARIES)
    python = {
        package: metadata.version(package)
        for module in modules
        for package in packages.get(module, ())
    }
    remedies = []
    if missing := [name for name in debian_packages() if name not in debian]:
        remedies.append(f"apt-get install --no-install-recommends {' '.join(missing)}")
    if missing := [name for name in python_modules() if name not in packages]:
        remedies.append(f"{install_command('corpus')}  # {' '.join(missing)}")
    if remedies:
        listed = "\n  ".join(remedies)
        raise MissingPackagesError(
            "the open corpus is made of Debian and Python packages, some of which are not "
            f"installed:\n  {listed}"
        )
    return dict(sorted((debian | python).items()))


def _debian_versions() -> dict[str, str]:
    """Those of the needed system packages that are installed, and their versions."""
    if shutil.which("dpkg-query") is None:
        return {}
    layout = "${Package}\t${db:Status-Status}\t${Version}\n"
    command = ["dpkg-query", "-W", f"-f={layout}", *debian_packages()]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    lines = [line.split("\t") for line in listed.splitlines()]
    return {name: version for name, status, version in lines if status == "installed"}
