"""Debian's own kernel, from its package: fetched with apt, taken apart without installing it, kept in ``build/``."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

META_PACKAGE = "linux-image-amd64"
FETCH_S = 90
"""A package of 70 MB on a slow line; beyond it the network counts as missing."""


class PrerequisiteMissing(Exception):
    """What this needs is not on this machine, and cannot be had from it; the message says what and how to get it."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel: its image, and the folder of its modules."""

    release: str
    image: Path
    modules: Path

    def module_files(self, *names: str) -> list[Path]:
        """The files of these modules and of what they need, each after what it needs. Modules built in are left out.

        Raises PrerequisiteMissing for one that the kernel does not have.
        """
        files = {_plain(path.stem): path for path in self.modules.rglob("*.ko")}
        built_in = {_plain(Path(line).stem) for line in (self.modules / "modules.builtin").read_text().splitlines()}
        ordered: dict[str, Path] = {}

        def need(name: str) -> None:
            if name in ordered or name in built_in:
                return
            if name not in files:
                raise PrerequisiteMissing(f"Debian's kernel {self.release} has no module {name}: its package changed.")
            for other in _needed_by(files[name]):
                need(other)
            ordered[name] = files[name]

        for name in names:
            need(_plain(name))
        return list(ordered.values())


def kernel_in(cache: Path) -> Kernel:
    """The kernel apt would install here now, from ``cache`` where it was unpacked before.

    Apt's lists are brought up to date where that helps and this user may. Raises PrerequisiteMissing when there is no
    apt, or the package cannot be fetched and none is in the cache.
    """
    try:
        return _newest(cache)
    except PrerequisiteMissing:
        kept = sorted(cache.glob("linux-image-*/unpacked"))  # without network or apt's lists, what was fetched before
        if kept:
            return _read(kept[-1].parent)
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise
    subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False, timeout=FETCH_S)
    return _newest(cache)


def _newest(cache: Path) -> Kernel:
    package = _package_of(META_PACKAGE)
    folder = cache / package
    if not (folder / "unpacked").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _fetch(package, folder)
        (folder / "unpacked").touch()  # last: a folder without it was cut off half way, and is made anew
    return _read(folder)


def _package_of(meta: str) -> str:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise PrerequisiteMissing("Debian's kernel is fetched with apt-get and dpkg-deb, which are not here.")
    told = subprocess.run(["apt-cache", "depends", meta], capture_output=True, text=True, check=False).stdout
    found = re.search(r"Depends: (linux-image-\S+)", told)
    if found is None:
        raise PrerequisiteMissing(f"apt knows no package {meta}: its lists are not here. As root: apt-get update")
    return found.group(1)


def _fetch(package: str, folder: Path) -> None:
    try:
        subprocess.run(
            ["apt-get", "download", "-q", package],
            cwd=folder, capture_output=True, text=True, check=True, timeout=FETCH_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise PrerequisiteMissing(f"{package} did not arrive in {FETCH_S} s: no network, or a slow one.") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["(apt-get said nothing)"])[-1]
        raise PrerequisiteMissing(f"{package} cannot be fetched: {last} As root: apt-get update") from error
    [archive] = folder.glob("*.deb")
    wanted = ["./boot/vmlinuz-*", "./lib/modules/*/modules.builtin"]
    wanted += [f"./lib/modules/*/kernel/{part}/*" for part in ("drivers/usb", "drivers/virtio", "net/9p", "fs")]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as unpacking:
        subprocess.run(["tar", "-x", "--wildcards", *wanted], cwd=folder, stdin=unpacking.stdout, check=True)
    archive.unlink()


def _read(folder: Path) -> Kernel:
    [image] = (folder / "boot").glob("vmlinuz-*")
    release = image.name.removeprefix("vmlinuz-")
    return Kernel(release, image, folder / "lib" / "modules" / release)


def _needed_by(module: Path) -> Iterator[str]:
    """What a module says in its own information that it needs: what depmod would have made a table of."""
    found = re.search(rb"\0depends=([\w,-]*)\0", module.read_bytes())
    if found is not None:
        yield from (_plain(name) for name in found.group(1).decode().split(",") if name)


def _plain(name: str) -> str:
    return name.replace("-", "_")
