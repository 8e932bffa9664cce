"""The report in a real browser: it renders, with its pictures, and asks the network for nothing."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from synthetic_run import write_synthetic_run

from rsft_bench import reports
from rsft_bench.harness.runfolder import RunFolder

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on this machine"),
]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--window-size=1200,1600"),
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small report."""
    path = write_synthetic_run(
        tmp_path_factory.mktemp("browser") / "run",
        **{"suites": ("order_status",), "seeds": (0, 1), "per_cluster": 1, "results": False},
    )
    return reports.write(RunFolder(path), ("html",))[0]


def test_report_renders(page: Path, tmp_path: Path) -> None:
    shot, profile = tmp_path / "page.png", tmp_path / "profile"
    arguments = [f"--user-data-dir={profile}", f"--screenshot={shot}", page.as_uri()]
    ran = subprocess.run(
        [str(BROWSER), *FLAGS, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert shot.exists(), ran.stderr[-500:]
    width, height = struct.unpack(">II", shot.read_bytes()[16:24])
    assert (width, height) == (1200, 1600)
    # A blank page of this size compresses to a few kilobytes.
    assert shot.stat().st_size > 50_000


def test_pictures_decode_and_nothing_is_refused(page: Path, tmp_path: Path) -> None:
    # The report's own policy forbids scripts, so the check runs in a frame's parent page.
    probe = page.with_name("probe.html")
    probe.write_text(
        "<iframe id=f></iframe><p id=out></p><script>f.onload=()=>{const i="
        "[...f.contentDocument.images];out.textContent=i.length+' pictures, '+"
        "i.filter(x=>x.naturalWidth>0).length+' shown'};f.src='report.html'</script>",
        encoding="utf-8",
    )
    flags = [*FLAGS, "--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom"]
    ran = subprocess.run(
        [str(BROWSER), *flags, f"--user-data-dir={tmp_path / 'profile'}", probe.as_uri()],
        **{"capture_output": True, "text": True, "timeout": 120, "check": False},
    )
    assert "5 pictures, 5 shown" in ran.stdout, ran.stdout[-500:] + ran.stderr[-500:]
