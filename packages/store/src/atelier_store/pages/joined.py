"""A page's modules as one script: nothing else is loaded for it, which a page on a disk could not do at all.

Each module becomes a function that runs once and returns what it exports, in an order in which none comes before those
that it imports. It relies on what the pages' modules keep to: imports stand first, by name, from a file beside; what is
exported is declared where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

IMPORT = re.compile(r'^import \{ ([^}]*) \} from "\./([a-z]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)
COMMENT = re.compile(r"^\s*/\*\*.*?\*/\n|  // [^\n]*", re.MULTILINE | re.DOTALL)
INDENT = re.compile(r"^\s+", re.MULTILINE)


def script(page: Mapping[str, str], entry: str) -> str:
    """What the module of this name does, with all that it imports, as one script. page: texts by file. KeyError."""
    return "\n".join(f"const {name}_ = (() => {{\n{_body(page, name)}\n}})();" for name in _order(page, entry, set()))


def lean(text: str) -> str:
    """A script or a style without its comments and its indentation."""
    return INDENT.sub("", COMMENT.sub("", text))


def _order(page: Mapping[str, str], name: str, seen: set[str]) -> Iterator[str]:
    seen.add(name)
    for _, imported in IMPORT.findall(_text(page, name)):
        if imported not in seen:
            yield from _order(page, imported, seen)
    yield name


def _body(page: Mapping[str, str], name: str) -> str:
    text = IMPORT.sub(lambda found: f"const {{ {found[1].replace(' as ', ': ')} }} = {found[2]}_;\n", _text(page, name))
    exported = ", ".join(EXPORT.findall(text))
    return f"{EXPORT.sub('', text).strip()}\nreturn {{ {exported} }};"


def _text(page: Mapping[str, str], name: str) -> str:
    return lean(page[f"{name}.js"])
