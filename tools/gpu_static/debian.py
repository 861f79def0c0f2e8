"""Debian packages of other suites in a private folder, by apt and dpkg, without touching the system."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TextIO

from .home import FOLDER

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class SetupError(Exception):
    pass


def mirror() -> str:
    """The archive that the machine's own apt takes its main packages from."""
    if named := os.environ.get("WGCONV_DEBIAN_MIRROR"):
        return named
    try:
        with open("/etc/os-release") as file:
            fields = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
        listing = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"],
            capture_output=True, text=True, check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"no apt here ({error}): this works on Debian") from None
    for line in listing.splitlines():
        release, component, address = line.split(" ", 2)
        if release == fields.get("VERSION_CODENAME", "").strip('"') and component == "main":
            return address
    raise SetupError("apt's sources have no Debian archive: name one in WGCONV_DEBIAN_MIRROR")


class Suite:
    """apt with lists, status and cache of its own."""

    def __init__(self, name: str, log: TextIO) -> None:
        self.name = name
        self.log = log
        self.folder = FOLDER / "apt" / name
        self.archives = self.folder / "cache" / "archives"
        own = {
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::State::extended_states": self.folder / "extended_states",
            "Dir::Cache": self.folder / "cache",
            "Dir::Log": self.folder,
            "Dir::Etc::SourceList": self.folder / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        self.options = [word for name, value in own.items() for word in ("-o", f"{name}={value}")]

    def _apt(self, *arguments: str, cwd: Path | None = None) -> None:
        subprocess.run(["apt-get", *self.options, "-qq", *arguments], cwd=cwd, stdout=self.log, stderr=self.log, check=True)

    def update(self) -> None:
        """Fetches the lists of packages once."""
        done = self.folder / "updated"
        if done.exists():
            return
        address = mirror()
        for folder in (self.folder / "lists" / "partial", self.archives / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        kinds = "".join(f"{kind} [signed-by={KEYRING}] {address} {self.name} main\n" for kind in ("deb", "deb-src"))
        (self.folder / "sources.list").write_text(kinds)
        self._apt("update")
        done.touch()

    def forget_lists(self) -> None:
        (self.folder / "updated").unlink(missing_ok=True)

    def unpack(self, packages: list[str], root: Path) -> None:
        """The packages and all that they depend on, below a root."""
        self.update()
        self._apt("install", "--download-only", "--yes", *packages)
        for package in sorted(self.archives.glob("*.deb")):
            subprocess.run(["dpkg", "--extract", package, root], stdout=self.log, stderr=self.log, check=True)

    def version(self, package: str) -> str:
        """Of a package that `unpack` fetched."""
        [file] = self.archives.glob(f"{package}_*.deb")
        return subprocess.run(
            ["dpkg-deb", "--field", file, "Version"], capture_output=True, text=True, check=True
        ).stdout.strip()

    def source(self, package: str, folder: Path) -> Path:
        """The upstream archive of a package's source, in a folder."""
        self.update()
        folder.mkdir(parents=True, exist_ok=True)
        self._apt("source", "--download-only", "--tar-only", package, cwd=folder)
        return next(folder.glob(f"{package}_*.orig.tar.*z"))
