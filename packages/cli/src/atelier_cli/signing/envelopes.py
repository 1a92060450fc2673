"""DSSE envelopes (github.com/secure-systems-lab/dsse, v1.0.2) around in-toto statements (in-toto.io/Statement/v1)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from atelier_cli.signing.keys import Key, fingerprint, sign

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"

Json = dict[str, Any]


def statement(subjects: Mapping[str, str], predicate_type: str, predicate: Json) -> Json:
    """What is said of subjects, whose names are mapped to their sha256."""
    named = [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()]
    return {"_type": STATEMENT, "subject": named, "predicateType": predicate_type, "predicate": predicate}


def envelope(said: Json, key: Key) -> Json:
    """A statement, signed."""
    payload = json.dumps(said, ensure_ascii=False, allow_nan=False).encode()
    signature = sign(key, pre_authentication(PAYLOAD_TYPE, payload))
    signed = {"keyid": fingerprint(key), "sig": _base64(signature)}
    return {"payload": _base64(payload), "payloadType": PAYLOAD_TYPE, "signatures": [signed]}


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """What is signed (PAE): type and payload, each after its length."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
