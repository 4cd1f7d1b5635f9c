"""How much memory cleaning a 4096 x 4096 image takes, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gemgate.imaging.logo import draw
from gemgate.imaging.logo_profiles import V1_LARGE
from tests.support.image_files import encoded, png
from tests.support.large_images import IMAGE, large

CHILD = """
import json, resource, sys
from pathlib import Path
from gemgate.imaging import clean
data, small = (Path(name).read_bytes() for name in sys.argv[1:])
assert clean(small).logo == "removed"
Path("/proc/self/clear_refs").write_text("5")
def kilobytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
before = kilobytes("VmRSS")
cleaned = clean(data)
print(json.dumps({"logo": cleaned.logo, "bytes": (kilobytes("VmHWM") - before) * 1024}))
"""


@pytest.mark.parametrize("form", ["png", "png of leaning rows", "jpeg"])
def test_at_most_three_decoded_images(form, tmp_path):
    marked = draw(large(), V1_LARGE)
    file, small = tmp_path / "large", tmp_path / "small"
    if form == "png":
        file.write_bytes(encoded(marked, "PNG", compress_level=1))
    elif form == "png of leaning rows":
        file.write_bytes(png(marked, filters=(2,), level=1))
    else:
        file.write_bytes(encoded(marked, "JPEG", quality=95))
    small.write_bytes(encoded(marked[-300:, -300:], "JPEG" if form == "jpeg" else "PNG"))
    done = subprocess.run([sys.executable, "-c", CHILD, file, small], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["logo"] == "removed"
    print(f"{form}: {told['bytes'] / IMAGE:.2f} decoded pictures")
    assert told["bytes"] <= 3 * IMAGE
