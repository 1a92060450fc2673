"""The page's modules as one script: a file that is opened from a disk cannot import others.

Each module becomes a function that runs once and returns what it exports, in an order in which none comes before those
that it imports. It relies on what the page's modules keep to: imports stand first, by name, from a file beside; what is
exported is declared where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

IMPORT = re.compile(r'^import \{ ([^}]*) \} from "\./([a-z]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)
COMMENT = re.compile(r"^\s*/\*\*.*?\*/\n|  // [^\n]*", re.MULTILINE | re.DOTALL)
INDENT = re.compile(r"^\s+", re.MULTILINE)


def script(page: Mapping[str, bytes], entry: str) -> str:
    """The script that does what the module of this name does, with all that it imports. KeyError."""
    return "\n".join(f"const {name}_ = (() => {{\n{_body(page, name)}\n}})();" for name in _order(page, entry, set()))


def _order(page: Mapping[str, bytes], name: str, seen: set[str]) -> Iterator[str]:
    seen.add(name)
    for _, imported in IMPORT.findall(_text(page, name)):
        if imported not in seen:
            yield from _order(page, imported, seen)
    yield name


def _body(page: Mapping[str, bytes], name: str) -> str:
    text = IMPORT.sub(lambda found: f"const {{ {found[1].replace(' as ', ': ')} }} = {found[2]}_;\n", _text(page, name))
    exported = ", ".join(EXPORT.findall(text))
    return f"{EXPORT.sub('', text).strip()}\nreturn {{ {exported} }};"


def _text(page: Mapping[str, bytes], name: str) -> str:
    return INDENT.sub("", COMMENT.sub("", page[f"{name}.js"].decode()))
