"""Run a program as a user other than root: `python unprivileged.py PROGRAM [ARGUMENT …]`.

PostgreSQL refuses to run as root. In a new user namespace, the program sees user 1000 where the machine sees the
caller, so no file changes its owner. Where namespaces are forbidden (Docker's seccomp profile), it becomes `nobody`.
This file imports nothing of the project, because it is started by its path.
"""

import os
import sys
from pathlib import Path

NOBODY_ID = 65534
NAMESPACE_USER_ID = 1000


def enter_user_namespace() -> None:
    """Become user 1000 in a new user namespace whose only user is the caller. Raises OSError if that is forbidden."""
    uid, gid = os.geteuid(), os.getegid()
    os.unshare(os.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{NAMESPACE_USER_ID} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{NAMESPACE_USER_ID} {gid} 1", encoding="ascii")


def drop_to_nobody() -> None:
    """Become the user `nobody`, permanently."""
    os.setgroups([])
    os.setgid(NOBODY_ID)
    os.setuid(NOBODY_ID)


def can_create_user_namespace() -> bool:
    """Whether this machine allows a new user namespace. Tried in a child process, as a namespace can't be left."""
    child = os.fork()
    if child == 0:
        try:
            enter_user_namespace()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    if can_create_user_namespace():
        enter_user_namespace()
    else:
        drop_to_nobody()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is the point
