"""Storage for the bytes of accepted mails: in memory, or in a folder that outlives the sandbox."""

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from gmail_sandbox.mail import Message

SPILL = 8 * 1024 * 1024


class Archive(Protocol):
    def keep(self, message: Message, raw: bytes) -> None:
        """Keep an accepted mail and give the message access to its bytes."""

    def load(self) -> Iterator[Message]:
        """The mails of an earlier sandbox, oldest first."""

    def clear(self) -> None: ...

    def close(self) -> None: ...


class Memory:
    """Keeps mails for this sandbox alone; beyond 8 MiB in a temporary file without a name."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._file = tempfile.SpooledTemporaryFile(max_size=SPILL)  # noqa: SIM115 - closed below

    def keep(self, message: Message, raw: bytes) -> None:
        with self._lock:
            start = self._file.seek(0, 2)
            self._file.write(raw)
        message.read = partial(self._read, start, len(raw))

    def _read(self, start: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(size)

    def load(self) -> Iterator[Message]:
        return iter(())

    def clear(self) -> None:
        with self._lock:
            self._file.seek(0)
            self._file.truncate()

    def close(self) -> None:
        self._file.close()


class Folder:
    """One .eml per mail, and `mails.jsonl`: a mail is accepted when its line is written."""

    def __init__(self, folder: Path) -> None:
        self._mails = folder / "mails"
        self._index = folder / "mails.jsonl"
        self._mails.mkdir(parents=True, exist_ok=True)
        self._lines = self._index.open("a", encoding="utf-8")
        if self._index.stat().st_size:
            self._lines.write("\n")  # a killed sandbox may have left half a line

    def keep(self, message: Message, raw: bytes) -> None:
        path = self._mails / f"{message.id}.eml"
        path.write_bytes(raw)
        message.read = path.read_bytes
        self._lines.write(json.dumps(message.record()) + "\n")
        self._lines.flush()

    def load(self) -> Iterator[Message]:
        for line in self._index.read_text(encoding="utf-8").splitlines():
            record = _record(line)
            path = self._mails / f"{record.get('id')}.eml"
            if path.exists():
                yield Message.restored(record, path.read_bytes)

    def clear(self) -> None:
        for message in self.load():
            (self._mails / f"{message.id}.eml").unlink(missing_ok=True)
        self._lines.truncate(0)

    def close(self) -> None:
        self._lines.close()


def _record(line: str) -> dict[str, Any]:
    """A line of the index; empty for a blank or incomplete one."""
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return record
