import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from streams import children

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
PARENT = """
import subprocess, sys, time
from streams import children
child = subprocess.Popen(children.tied(["sleep", "60"]), stdout=subprocess.DEVNULL)
while open(f"/proc/{child.pid}/comm").read().strip() != "sleep":
    time.sleep(0.005)
print(child.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    """Whether the process has ended, waiting at most ten seconds."""
    descriptor = os.pidfd_open(pid)
    try:
        import select

        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_ends_with_its_parent_however_that_ends(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(number)
        assert gone(child)


def test_a_child_of_a_parent_that_ignores_sigterm_ends_all_the_same() -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN){PARENT}"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        assert gone(child)


def test_the_child_is_the_program_itself_with_the_id_that_was_started() -> None:
    with subprocess.Popen(children.tied(["sh", "-c", "echo $$"]), stdout=subprocess.PIPE, text=True) as child:
        assert child.communicate()[0] == f"{child.pid}\n"


def test_a_child_whose_parent_is_gone_already_does_not_start(tmp_path: Path) -> None:
    command = children.tied(["touch", str(tmp_path / "started")])
    command[command.index(str(os.getpid()))] = "1"
    assert subprocess.run(command, check=False).returncode == 143
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_is_not_there_is_named() -> None:
    done = subprocess.run(children.tied(["no-such-program"]), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "no-such-program: No such file or directory\n")


def test_a_child_of_another_thread_is_not_tied_to_that_thread_s_life() -> None:
    made: list[list[str]] = []
    thread = threading.Thread(target=lambda: made.append(children.tied(["sleep", "1"])))
    thread.start()
    thread.join()
    assert made == [["sleep", "1"]]
