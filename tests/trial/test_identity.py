"""Whatever decides what a network of one's own becomes is in its trial's key."""

from __future__ import annotations

import gc
import hashlib
import importlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import atelier_trainer.networks
import pytest
from atelier_store.spec import sha256_of
from atelier_trial.identity import network_digest
from atelier_trial.space import canonicalise

NETWORK_FILES = ("networks", "row_networks", "columns", "linear_scaling")
NETS = "def build(input_shape, outputs): ...\ndef other(input_shape, outputs): ...\n"

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a source file into a folder that Python finds modules in; nothing of it stays imported."""
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()

    return write


def test_the_built_in_networks_have_the_digest_of_their_file() -> None:
    file = Path(atelier_trainer.networks.__file__)
    assert network_digest("atelier", {}) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_only_a_network_that_the_first_ones_could_not_be_has_the_digest_of_both_files() -> None:
    params = {"stem_width": "32", "scaling": "standard", "embedding": "none", "embedding_bins": "7", "members": "1"}
    canonical = canonicalise(params, "rows", "regression")
    assert canonical == canonicalise({"stem_width": "32"}, "rows", "regression")
    assert network_digest("atelier", canonical) == network_digest("atelier", {})
    later = [{"members": "2"}, {"embedding": "pbld"}, {"scaling": "robust"}, {"norm": "none"}]
    digests = {network_digest("atelier", canonicalise(params | one, "rows", "regression")) for one in later}
    assert len(digests) == 1
    assert network_digest("atelier", {}) not in digests


def test_linear_scaling_has_the_digest_of_its_own_files_too_and_changes_no_other() -> None:
    linear, robust = (canonicalise({"scaling": name}, "rows", "regression") for name in ("linear", "robust"))
    files = (Path(atelier_trainer.__path__[0], f"{name}.py") for name in NETWORK_FILES)
    digests = {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    of_both = {name: digests[name] for name in ("networks", "row_networks")}
    assert network_digest("atelier", robust) == sha256_of(of_both)
    assert network_digest("atelier", linear) == sha256_of(digests)
    of_table = {"network": sha256_of(digests), "columns": digests["columns"]}
    assert network_digest("atelier", linear, of_table=True) == sha256_of(of_table)


def test_bins_by_the_rows_have_the_digest_of_their_own_file_too_and_those_of_a_number_do_not() -> None:
    params = ({"embedding": name} for name in ("piecewise", "piecewise_auto"))
    of_a_number, by_the_rows = (network_digest("atelier", canonicalise(one, "rows", "regression")) for one in params)
    files = (Path(atelier_trainer.__path__[0], f"{name}.py") for name in ("networks", "row_networks", "auto_bins"))
    digests = {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert by_the_rows == sha256_of(digests)
    assert of_a_number == sha256_of({name: digests[name] for name in ("networks", "row_networks")})


def test_two_functions_of_a_module_are_two_networks(write: Write) -> None:
    write("nets_of_test.py", NETS)
    assert network_digest("nets_of_test:build", {}) != network_digest("nets_of_test:other", {})


IMPORTS = {
    "import": ("nets_of_test.py", "import blocks_of_test\n", "blocks_of_test.py"),
    "from": ("nets_of_test.py", "from blocks_of_test import block\n", "blocks_of_test.py"),
    "in a function": ("nets_of_test.py", "def block():\n    from blocks_of_test import block\n", "blocks_of_test.py"),
    "everything": ("nets_of_test.py", "from parts_of_test.blocks import *\n", "parts_of_test/blocks.py"),
    "a package": ("nets_of_test.py", "import parts_of_test.blocks\n", "parts_of_test/__init__.py"),
    "a module of a package": ("nets_of_test.py", "from parts_of_test import blocks\n", "parts_of_test/blocks.py"),
    "without __init__": ("nets_of_test.py", "from spaces_of_test import blocks\n", "spaces_of_test/blocks.py"),
    "through another": ("nets_of_test.py", "import blocks_of_test\n", "base_of_test.py"),
}


@pytest.mark.parametrize("case", IMPORTS)
def test_an_edit_of_a_local_module_that_it_imports_makes_it_another_network(write: Write, case: str) -> None:
    name, text, edited = IMPORTS[case]
    write("base_of_test.py", "")
    write("blocks_of_test.py", "import base_of_test\n")
    for folder in ("parts_of_test", "spaces_of_test"):
        write(f"{folder}/blocks.py", "")
    write("parts_of_test/__init__.py", "")
    write(name, text + NETS)
    before = network_digest("nets_of_test:build", {})
    write(edited, "import torch\nwidth = 7\n")
    assert network_digest("nets_of_test:build", {}) != before


def test_relative_imports_of_a_package_are_followed(write: Write) -> None:
    write("parts_of_test/__init__.py", "")
    write("parts_of_test/sub/__init__.py", "")
    write("parts_of_test/sub/nets.py", "from ..blocks import block\nfrom . import more\n" + NETS)
    write("parts_of_test/blocks.py", "")
    write("parts_of_test/sub/more.py", "")
    digests = [network_digest("parts_of_test.sub.nets:build", {})]
    for name in ("parts_of_test/blocks.py", "parts_of_test/sub/more.py", "parts_of_test/sub/__init__.py"):
        write(name, "width = 7\n")
        digests.append(network_digest("parts_of_test.sub.nets:build", {}))
    assert len(set(digests)) == 4


def test_a_module_that_is_only_beside_it_does_not_count(write: Write) -> None:
    write("nets_of_test.py", "import torch\nimport json\n" + NETS)
    write("blocks_of_test.py", "")
    before = network_digest("nets_of_test:build", {})
    write("blocks_of_test.py", "width = 7\n")
    assert network_digest("nets_of_test:build", {}) == before


def test_where_the_modules_lie_does_not_count(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("here", "there"):
        write(f"{folder}/nets_of_test.py", "import blocks_of_test\n" + NETS)
        write(f"{folder}/blocks_of_test.py", "width = 7\n")
    digests = set()
    for folder in ("here", "there"):
        monkeypatch.syspath_prepend(tmp_path / folder)
        importlib.invalidate_caches()
        digests.add(network_digest("nets_of_test:build", {}))
    assert len(digests) == 1


def test_threads_that_read_source_files_at_once_all_succeed(write: Write) -> None:
    """Python hands over to another thread in the middle of a tree where collecting garbage runs code."""
    write("nets_of_test.py", "x = [1 + (2 * (3 + y)) for y in [0, (0, (0, (0,)))]]\n" * 300)
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.callbacks.append(lambda phase, info: sum(range(50)))
    gc.set_threshold(10)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            digests = set(threads.map(lambda _: network_digest("nets_of_test:build", {}), range(20)))
    finally:
        gc.callbacks.pop()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
    assert len(digests) == 1
