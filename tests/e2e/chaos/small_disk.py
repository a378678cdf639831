"""A disk of limited size for the relay's data, without changing the machine: a tmpfs in a mount namespace of its own.

An ordinary user gets it in a user namespace, root also without one. A container may forbid both; then there is none.
Run as a program, this file keeps the namespace (`mount FOLDER BYTES`) or runs a program in it (`enter PID PROGRAM …`).
It imports nothing of the project, because it is started by its path.
"""

import ctypes
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

MS_REC, MS_PRIVATE = 16384, 1 << 18  # linux/mount.h
BYTES_LEFT = 64 * 1024
"""Left free on a full disk: the server's own log and state files must not fail before the data does."""


FILL_TRIES = 100


class SmallDisk:
    """A folder that is a disk of `size` bytes. Only programs with the `prefix` see it, others at `find_outside`."""

    def __init__(self, folder: Path, size: int) -> None:
        """Mount the disk on `folder`. Raises OSError where the machine forbids that."""
        command = [sys.executable, "-I", __file__, "mount", str(folder), str(size)]
        self._holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "mounted\n":
            self.close()
            raise OSError("this machine allows no mount namespace")
        self._folder, self._ballast = folder, folder / "ballast"
        self.prefix = [sys.executable, "-I", __file__, "enter", str(self._holder.pid)]

    def find_outside(self, path: Path) -> Path:
        """Return the path by which a program outside of the namespace finds `path`."""
        return Path(f"/proc/{self._holder.pid}/root") / path.relative_to("/")

    def fill(self) -> None:
        """Use up the free space, which others use meanwhile."""
        with self.find_outside(self._ballast).open("ab") as ballast:
            for _ in range(FILL_TRIES):
                status = os.statvfs(self.find_outside(self._folder))
                free = status.f_bavail * status.f_frsize - BYTES_LEFT
                if free <= 0:
                    return
                with suppress(OSError):  # the database took some of it between the two calls
                    os.posix_fallocate(ballast.fileno(), 0, os.fstat(ballast.fileno()).st_size + free)
        raise AssertionError("the disk could not be filled")

    def free(self) -> None:
        """Make room again."""
        self.find_outside(self._ballast).unlink()

    def close(self) -> None:
        self._holder.communicate()  # closes its standard input, which ends it, and with it the namespace


def mount_disk(folder: str, size: str) -> None:
    """Mount a tmpfs that only this process and those that enter its namespace see, until standard input ends."""
    try:
        os.unshare(os.CLONE_NEWNS)
    except PermissionError:
        user, group = os.geteuid(), os.getegid()
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS)
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    mount(None, "/", None, MS_REC | MS_PRIVATE, None)
    mount("tmpfs", folder, "tmpfs", 0, f"size={size},mode=0700")
    sys.stdout.write("mounted\n")
    sys.stdout.flush()
    sys.stdin.read()


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None) -> None:
    """Call mount(2), for which Python has no function. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    texts = [None if text is None else text.encode() for text in (source, target, kind, options)]
    if libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]) != 0:
        raise OSError(ctypes.get_errno(), "mount failed")


def enter_namespace(holder: str) -> None:
    """Enter the namespaces of the process `holder`."""
    for name, kind in (("user", os.CLONE_NEWUSER), ("mnt", os.CLONE_NEWNS)):
        path = Path(f"/proc/{holder}/ns/{name}")
        if path.readlink() != Path(f"/proc/self/ns/{name}").readlink():
            descriptor = os.open(path, os.O_RDONLY)
            os.setns(descriptor, kind)
            os.close(descriptor)


if __name__ == "__main__":
    if sys.argv[1] == "mount":
        mount_disk(*sys.argv[2:])
    else:
        enter_namespace(sys.argv[2])
        os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606 - no shell is the point
