"""Notes of leases: of a killed process they are found, of a living one never."""

import subprocess
import sys
from pathlib import Path
from uuid import UUID

from tasks.slot_notes import Notes

LEASES = [UUID(int=1), UUID(int=2)]
HOLDER = """
import sys
from pathlib import Path
from uuid import UUID
from tasks.slot_notes import Notes

notes = Notes(Path(sys.argv[1]))
notes.write([UUID(int=3)])
notes.write([UUID(int=1), UUID(int=2)])
print("noted", flush=True)
sys.stdin.read()
"""


def test_the_leases_of_a_killed_process_are_taken_over_once(tmp_path: Path) -> None:
    """Not before it is gone, and as they were noted last."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"noted\n"
        notes = Notes(tmp_path)
        while_it_lives = notes.taken_over()
        holder.kill()
        holder.wait()

        assert (while_it_lives, notes.taken_over(), notes.taken_over()) == ([], LEASES, [])


def test_own_leases_and_other_content_are_left_out(tmp_path: Path) -> None:
    """A file that is not ours says nothing; a folder that cannot be had costs nothing."""
    notes = Notes(tmp_path)
    notes.write(LEASES)
    (tmp_path / "slots" / "other.leases").write_bytes(b"\xff nonsense\n" + str(LEASES[0]).encode())
    (tmp_path / "file").touch()
    without_disk = Notes(tmp_path / "file")
    without_disk.write(LEASES)

    assert (notes.taken_over(), without_disk.taken_over()) == ([LEASES[0]], [])
