"""Kinds of text that values hold: what each looks like, and the same in words.

values.schema.json names a text's kind by the keyword x-text. It has no patterns, which Helm would print: the command
checks texts as it reads the schema, and templates/_checks.tpl by files/facts.json.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from atelier_store import names, tables
from atelier_store.spec import OWN_FUNCTION, SHARE, THRESHOLD_RULE
from atelier_trial.data.files import REQUIRED


@dataclass(frozen=True)
class Text:
    """A kind: a regular expression that Python and Go read alike, and what it allows, in words."""

    pattern: str
    words: str
    may_be_number: bool = False
    """Whether a number or truth value may stand for the text that it would be."""

    def refuse(self, text: str) -> str | None:
        """Why the text is not allowed, or None."""
        return None if re.fullmatch(self.pattern, text, re.ASCII) else f"allowed: {self.words}"


def or_empty(text: Text) -> Text:
    """The kind that may be left empty too."""
    return Text(f"({text.pattern})?", f"{text.words}; or empty")


LABEL = names.NAMESPACE.pattern
DOMAIN = rf"{LABEL}(\.{LABEL})*"
WORD = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
SEGMENT = r"\.{0,2}[A-Za-z0-9_~%!$&'()*+,;=:@-][A-Za-z0-9._~%!$&'()*+,;=:@-]*"
REGISTRY = r"([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]+)?"
PARTS = r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
FIELD = "[0-9A-Za-z*,/?-]+"
INNER = r"([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+)"
"""A folder or file in a path that does not lead out of where it begins."""
OCTET = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
NAME = Text(
    DOMAIN, 'a name of Kubernetes: lower case letters, digits, "-" and ".", beginning and ending with a letter or digit'
)
LABEL_KEY = Text(
    f"({DOMAIN}/)?{WORD}",
    'at most 63 letters, digits, "-", "_" and ".", beginning and ending with a letter or digit, perhaps after a domain '
    "and /",
)
LABEL_VALUE = Text(f"({WORD})?", 'at most 63 letters, digits, "-", "_" and ".", beginning and ending with no sign')
INNER_PATH = Text(f"{INNER}(/{INNER})*/?", 'relative paths without ".."')
PUBLIC_KEYS = Text(
    r"(\s*-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----\s*)*",
    "public keys in PEM, as openssl ec -in key.pem -pubout writes one; or empty",
)
NUMBER = Text(tables.NUMBER.pattern, 'numbers, also as text such as "1e-3"', may_be_number=True)

TEXTS: dict[str, Text] = {
    "text": Text(r"(?s:.*)", "text"),
    "number": NUMBER,
    "public keys": PUBLIC_KEYS,
    "decimal": NUMBER,
    "whole": Text("[+-]?[0-9]+", "whole numbers, also as text", may_be_number=True),
    "auto": Text("auto", "a whole number from 1, or auto", may_be_number=True),
    "shortlist": Text("auto|none", "a map, auto or none"),
    "search": or_empty(
        Text("[a-z]([-a-z0-9]{0,29}[a-z0-9])?", 'at most 31 lower case letters, digits and "-", from a letter on')
    ),
    "prefix": or_empty(
        Text("[a-z]([-a-z0-9]{0,43}[a-z0-9])?", 'at most 45 lower case letters, digits and "-", from a letter on')
    ),
    "model": or_empty(Text(names.MODEL.pattern, names.MODEL.allowed)),
    "parameter": Text("[A-Za-z][A-Za-z0-9_]*", 'letters, digits and "_", beginning with a letter'),
    "choice": Text(
        "[A-Za-z0-9_.:+-]+",
        'letters, digits, "_", ".", ":", "+" and "-", which a shell takes as they are',
        may_be_number=True,
    ),
    "network": Text(f"atelier|{OWN_FUNCTION}", "atelier, or a function of yours as module:function"),
    "metric": Text("[a-z][a-z0-9_]{0,39}", 'at most 40 lower case letters, digits and "_", from a letter on'),
    "function": Text(OWN_FUNCTION, "a function of yours as module:function"),
    "class weights": Text("none|balanced", "none, balanced, or a weight for each label"),
    "threshold": Text(
        rf"{THRESHOLD_RULE}|{SHARE}",
        "f1, balanced_accuracy, recall>=0.9, precision>=0.9, or a number above 0 and below 1",
        may_be_number=True,
    ),
    "source": Text(
        f"{'|'.join(REQUIRED)}|{OWN_FUNCTION}", f"{', '.join(REQUIRED)}, or a function of yours as module:function"
    ),
    "url": Text("(https?|s3)://.+", "addresses that begin with https://, http:// or s3://"),
    "optional url": or_empty(Text("https?://.+", "addresses that begin with https:// or http://")),
    "header": Text("[A-Za-z0-9!#$%&'*+.^_`|~-]+", "names of HTTP headers, such as Authorization"),
    "sha256": Text("[0-9a-fA-F]{64}", "64 hexadecimal digits"),
    "image": Text(
        f"({REGISTRY}/)?{PARTS}", "an image's name without tag, in lower case, such as registry.example:5000/team/image"
    ),
    "registry": or_empty(Text(f"{REGISTRY}(/{PARTS})?", "a registry, such as registry.example:5000/team")),
    "module": Text(r"[A-Za-z_][A-Za-z0-9_]*\.py", "names of Python files, such as mynets.py"),
    "tag": Text("([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?", 'at most 128 letters, digits, "_", "." and "-"'),
    "digest": or_empty(Text("sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")),
    "quantity": Text(
        r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?",
        "quantities of Kubernetes, such as 500m, 2 or 1Gi",
        may_be_number=True,
    ),
    "resource": Text(
        rf"cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGT]i|{DOMAIN}/{WORD}",
        "cpu, memory, ephemeral-storage, hugepages-2Mi, or a device such as nvidia.com/gpu",
    ),
    "label": Text(LABEL, 'at most 63 lower case letters, digits and "-", beginning and ending with a letter or digit'),
    "name": NAME,
    "optional name": or_empty(NAME),
    "host": Text(rf"(\*\.)?{DOMAIN}", 'host names in lower case; "*." may stand for the first part'),
    "label key": LABEL_KEY,
    "optional label key": or_empty(LABEL_KEY),
    "label value": LABEL_VALUE,
    "version": or_empty(Text(names.VERSION.pattern, "12 hexadecimal digits, in quotes")),
    "key": Text("[-._a-zA-Z0-9]{1,253}", 'letters, digits, "-", "_" and "."'),
    "variable": Text("[-._a-zA-Z][-._a-zA-Z0-9]*", 'letters, digits, "_", "-" and ".", not beginning with a digit'),
    "mount": Text("/[^:]*", 'absolute paths without ":"'),
    "inner path": INNER_PATH,
    "optional inner path": or_empty(INNER_PATH),
    "field": Text(
        r"metadata\.(name|namespace|uid|(labels|annotations)\['[^']+'\])|spec\.(nodeName|serviceAccountName)|"
        r"status\.(hostIPs?|podIPs?)",
        "fields of a pod that a variable may have, such as metadata.name or status.podIP",
    ),
    "resource field": Text(
        r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGT]i)",
        "limits or requests of cpu, memory or ephemeral-storage, such as limits.memory",
    ),
    "medium": or_empty(Text("Memory|HugePages(-[0-9]+[KMGT]i)?", "Memory, HugePages, or HugePages-2Mi")),
    "cidr": Text(
        rf"{OCTET}(\.{OCTET}){{3}}/([0-9]|[12][0-9]|3[0-2])|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/([1-9]?[0-9]|1[01][0-9]|12[0-8])",
        "addresses with a mask, such as 10.0.0.0/8 or fd00::/8",
    ),
    "port": Text(
        "[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?",
        'a port from 1 to 65535, or its name: at most 15 lower case letters, digits and "-"',
        may_be_number=True,
    ),
    "path": Text(f"/({SEGMENT}(/{SEGMENT})*/?)?", "paths that begin with /, without //, /./ and /../"),
    "duration": Text("([0-9]+(ms|s|m|h))+", "times such as 30s or 1m30s"),
    "schedule": Text(
        rf"@(yearly|annually|monthly|weekly|daily|midnight|hourly)|{FIELD}( +{FIELD}){{4}}",
        "five fields of cron, such as */10 * * * *, or @hourly, @daily, @weekly, @monthly",
    ),
}
"""Kinds by the names that the schema calls them."""
