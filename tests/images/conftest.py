from __future__ import annotations

import sys

from tests.support import ROOT

sys.path += [str(ROOT / "tools"), str(ROOT / "tools" / "image-build")]
