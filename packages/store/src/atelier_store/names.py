"""What names may be: the one rule for every name from outside that becomes a path, a label or an object."""

from __future__ import annotations

import re
from dataclasses import dataclass

from atelier_store.errors import InvalidInput


@dataclass(frozen=True)
class Rule:
    """What a kind of name is called, the whole of what it may be, and the same in words."""

    what: str
    pattern: str
    allowed: str

    def accepts(self, name: str) -> bool:
        """Whether the name is allowed."""
        return re.fullmatch(self.pattern, name) is not None

    def refusal(self, name: str) -> str:
        """That the name is not allowed, and what is."""
        return f"{name!r} is not allowed; allowed: {self.allowed}"

    def checked(self, name: str, where: str = "") -> str:
        """The name. InvalidInput, which says where it was given and what is allowed, if it is not."""
        if not self.accepts(name):
            raise InvalidInput([f"{where or self.what}: {self.refusal(name)}"])
        return name


_ENDS = "beginning and ending with a letter or digit"
MODEL = Rule(
    "model",
    "[a-z0-9]([-a-z0-9._]{0,61}[a-z0-9])?",
    f"at most 63 lower-case letters, digits, '.', '_' and '-', {_ENDS}",
)
EXPERIMENT = Rule(
    "experiment",
    "[a-z]([-a-z0-9]{0,38}[a-z0-9])?",
    "at most 40 lower-case letters, digits and '-', beginning with a letter, not ending with '-'",
)
TRIAL = Rule(
    "trial",
    "[A-Za-z0-9]([-A-Za-z0-9._]{0,251}[A-Za-z0-9])?",
    f"at most 253 letters, digits, '.', '_' and '-', {_ENDS}",
)
KEY = Rule("key", "[0-9a-f]{16}", "16 hex digits, such as 962656a7be3afc52")
VERSION = Rule("version", "[0-9a-f]{12}", "12 hex digits, such as 1e23c7bda11f")
NAMESPACE = Rule(
    "namespace", "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", f"at most 63 lower-case letters, digits and '-', {_ENDS}"
)
