"""A session on Kaggle: the attached inputs read-only, no network, nothing else of this machine.

Run by ``rehearsal.py`` with the environment's Python, in a network and a mount
namespace of its own. Lines that begin with # are for its protocol.
"""

import errno
import fcntl
import importlib.util
import os
import socket
import struct
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/opt", "/proc", "/sbin", "/sys", "/usr")
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
UNTRUSTED = "nosuid,nodev,noexec"  # what another user's mount must keep


def main(session, notebook):
    """Enter the session's own file system and run the notebook in ``/kaggle/working``."""
    root = build_root(session)
    (root / "tmp" / notebook).write_bytes((session / notebook).read_bytes())
    os.chroot(root)
    os.chdir("/kaggle/working")
    start_loopback()
    prove_offline()
    prove_read_only()
    prove_environment()
    papermill = [sys.executable, "-m", "papermill", "--kernel", "python3", "--log-output"]
    executed = "/kaggle/working/__notebook__.ipynb"
    subprocess.run([*papermill, f"/tmp/{notebook}", executed], check=True)
    files = sorted(path.name for path in Path().iterdir())
    print(f"# written to /kaggle/working: {', '.join(files)}")


def build_root(session):
    """Put together a root of the system, Python and ``/kaggle``; no home, no checkout."""
    root = session / "root"
    mount("-t", "tmpfs", "tmpfs", root)
    for folder in map(Path, (*SYSTEM, sys.base_prefix, sys.prefix)):
        inside = root / folder.relative_to("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink():
            inside.symlink_to(folder.readlink())
        elif folder.is_dir():
            inside.mkdir(exist_ok=True)
            mount("--rbind", folder, inside)
    (root / "tmp").mkdir(exist_ok=True)
    for name in ("input", "working"):
        (root / "kaggle" / name).mkdir(parents=True)
        mount("--bind", session / name, root / "kaggle" / name)
    mount("-o", f"remount,bind,ro,{UNTRUSTED}", root / "kaggle" / "input")
    return root


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def interface_flags(command, name, flags):
    """Ask Linux about a network interface, as ``netdevice(7)`` tells."""
    with socket.socket() as anything:
        request = struct.pack("16sh", name.encode(), flags)
        return struct.unpack("16sh", fcntl.ioctl(anything, command, request))[1]


def start_loopback():
    """Switch on 127.0.0.1, over which Jupyter talks to its kernel; it leads nowhere else."""
    interface_flags(SIOCSIFFLAGS, "lo", IFF_UP)


def prove_offline():
    names = [name for _, name in socket.if_nameindex()]
    up = [name for name in names if interface_flags(SIOCGIFFLAGS, name, 0) & IFF_UP]
    if up != ["lo"]:
        sys.exit(f"expected no network, found the interfaces {up}")
    try:
        socket.create_connection(("1.1.1.1", 443), timeout=5)
    except OSError as error:
        if error.errno != errno.ENETUNREACH:
            raise
        print(f"# network: {error.strerror}, no interface but lo")
    else:
        sys.exit("expected no network, but a connection was made")


def prove_read_only():
    inputs = Path("/kaggle/input")
    kinds = ("competitions/*", "datasets/*/*", "notebooks/*/*")
    for folder in (path for kind in kinds for path in inputs.glob(kind)):
        try:
            (folder / "probe").touch()
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            print(f"# {folder}: {error.strerror}")
        else:
            sys.exit(f"{folder}: expected a read-only folder, but could write to it")


def prove_environment():
    """Compare the versions with those that are asked for; the package must be absent."""
    if importlib.util.find_spec("hms_utils"):
        sys.exit("expected an environment without hms_utils, found it")
    pins = (Path(sys.prefix) / "requirements-kaggle.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in pins if not line.startswith("#"))
    found = {name: version(name) for name in pins}
    if found != pins:
        sys.exit(f"expected {pins}, found {found}")
    print(f"# no hms_utils; {', '.join(' '.join(pin) for pin in found.items())}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
