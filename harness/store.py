"""Content-addressed artifacts: a folder per key, written whole or not at all.

An artifact is addressed by the hash of what made it (its key) and described by the hash of what it
holds (its digest). Two keys may hold equal digests; a node's key is built from its inputs' digests,
so a change that leaves content alone stops there.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rsft_bench.harness.errors import InfrastructureError
from rsft_bench.harness.types import Cost, Json

META = "meta.json"
#: What the parts of a node's work took, by cost category; measured, so in no digest either.
PARTS = "parts.json"
#: Folder of the states that long stages leave for a later attempt, by key.
PARTIAL = "partial"


def canonical(value: Json) -> str:
    """JSON text that is equal for equal values: sorted keys, no spaces, infinities as strings."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plain(value: Json) -> Json:
    """A value that strict JSON can hold: infinities as 'inf' and '-inf', NaN as None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def hash_text(*parts: str) -> str:
    """SHA-256 over length-prefixed parts, 64 hex digits."""
    h = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        h.update(len(raw).to_bytes(8, "little"))
        h.update(raw)
    return h.hexdigest()


def digest_folder(folder: Path) -> str:
    """SHA-256 over relative names and contents of all files but META and PARTS, in name order."""
    h = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in (META, PARTS)):
        raw = path.read_bytes()
        h.update(f"{path.relative_to(folder).as_posix()}\0{len(raw)}\0".encode())
        h.update(raw)
    return h.hexdigest()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished artifact: where it lies, what it holds, what making it took at the time."""

    key: str
    folder: Path
    digest: str
    stage: str
    cost: Cost

    def parts(self) -> dict[str, Cost]:
        """Its cost by category, where its stage does several things; else empty.

        Seconds that no part states are those of ``train``.
        """
        try:
            stated = json.loads((self.folder / PARTS).read_text())
        except FileNotFoundError:
            return {}
        peak = {"peak_rss_gib": self.cost.peak_rss_gib}
        found = {name: Cost(**{**cost, **peak}) for name, cost in stated.items()}
        wall, cpu = (sum(getattr(c, n) for c in found.values()) for n in ("wall_s", "cpu_s"))
        rest = replace(found["train"], wall_s=self.cost.wall_s - wall, cpu_s=self.cost.cpu_s - cpu)
        return {**found, "train": rest}


class Store:
    """Artifacts under ``root/objects/<first two>/<key>``; safe for many processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._objects = root / "objects"
        self._tmp = root / "tmp"

    def folder(self, key: str) -> Path:
        """Where the artifact lies or would lie."""
        return self._objects / key[:2] / key

    def find(self, key: str) -> Artifact | None:
        """The artifact, or None. A folder without readable meta counts as absent and is redone."""
        folder = self.folder(key)
        try:
            meta = json.loads((folder / META).read_text())
            return Artifact(key, folder, meta["digest"], meta["stage"], Cost(**meta["cost"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(
        self, key: str, stage: str, make: Callable[[Path], tuple[Cost, str | None]]
    ) -> Artifact:
        """Run ``make`` in an empty folder, then publish it under ``key`` by one rename.

        ``make`` returns the cost and, where content is not the identity (a reference to a folder
        elsewhere), the digest to record. A crash at any point leaves no artifact. If another
        process published the same key first, that artifact stands.
        """
        work = self._scratch(stage)
        try:
            cost, digest = make(work)
            meta = {
                "key": key,
                "stage": stage,
                "digest": digest or digest_folder(work),
                "cost": asdict(cost),
            }
            (work / META).write_text(json.dumps(meta))
            target = self.folder(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._publish(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        found = self.find(key)
        if found is None:
            raise InfrastructureError(
                f"artifact {key[:12]} ({stage}) vanished after it was written"
            )
        return found

    def _publish(self, work: Path, target: Path) -> None:
        try:
            work.replace(target)
        except OSError:
            if self.find(target.name) is not None:
                return
            # A damaged folder of an earlier crash or a full disk stands in the way.
            self.remove(target.name)
            work.replace(target)

    def _scratch(self, label: str) -> Path:
        """An empty folder under ``tmp`` whose name begins with this process's id."""
        self._tmp.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{label}-", dir=self._tmp))

    def entries(self) -> Iterator[tuple[str, str, int, float]]:
        """(key, stage, bytes, modification time) of every artifact, in no particular order.

        Damaged ones, which ``find`` does not see either, and those that another process removes
        meanwhile are left out.
        """
        for meta in self._objects.glob(f"*/*/{META}"):
            folder = meta.parent
            try:
                found = self.find(folder.name)
                size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
                made = meta.stat().st_mtime
            except OSError:
                continue
            if found is not None:
                yield folder.name, found.stage, size, made

    def remove(self, key: str) -> None:
        """Delete one artifact; absent is fine.

        It leaves its address by one rename, so that an interruption never leaves part of it there.
        """
        trash = self._scratch("remove")
        try:
            self.folder(key).replace(trash / key)
        except FileNotFoundError:
            pass
        finally:
            shutil.rmtree(trash, ignore_errors=True)

    def sweep_temporary(self) -> int:
        """Delete work folders that dead processes left; returns how many."""
        found = list(self._tmp.glob("*")) if self._tmp.exists() else []
        left = [folder for folder in found if not _alive(folder.name.partition("-")[0])]
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        return len(left)

    def sweep_partial(self, before: float) -> int:
        """Delete states of fits last saved before a time (seconds since 1970); returns how many.

        A killed fit would go on from one; a live fit saves again and again.
        """
        old = []
        for folder in (self.root / PARTIAL).glob("*"):
            try:
                saved = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
            except FileNotFoundError:
                # The fit saves, or ends, just now.
                continue
            if saved < before:
                old.append(folder)
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        return len(old)


def _alive(pid: str) -> bool:
    """Whether a process of this id runs; False for what is no id."""
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def write_rows(path: Path, rows: list[dict[str, Json]]) -> None:
    """Rows as JSON lines; floats keep every bit, NaN stays NaN."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def read_rows(path: Path) -> list[dict[str, Json]]:
    """Rows that ``write_rows`` wrote."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
