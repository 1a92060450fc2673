"""DSSE envelopes (github.com/secure-systems-lab/dsse, v1.0.2) around in-toto statements."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from pydantic import Base64Bytes, BaseModel

from atelier_store.provenance import Statement
from atelier_store.signing.keys import PrivateKey, PublicKey, fingerprint, has_signed, sign

PAYLOAD_TYPE = "application/vnd.in-toto+json"

Json = dict[str, Any]


class Signature(BaseModel):
    """One of an envelope's signatures; which key made it is tried, and not believed."""

    sig: Base64Bytes


class Envelope(BaseModel):
    """An envelope as it is read."""

    payload: Base64Bytes
    payloadType: str
    signatures: tuple[Signature, ...]


def envelope(said: Statement, key: PrivateKey) -> Json:
    """A statement, signed."""
    payload = json.dumps(said.model_dump(mode="json"), ensure_ascii=False, allow_nan=False).encode()
    signature = sign(key, pre_authentication(PAYLOAD_TYPE, payload))
    signed = {"keyid": fingerprint(key.public_key()), "sig": _base64(signature)}
    return {"payload": _base64(payload), "payloadType": PAYLOAD_TYPE, "signatures": [signed]}


def signer(sealed: Envelope, keys: Sequence[PublicKey]) -> PublicKey | None:
    """Which of these keys has signed the envelope's payload; None: none of them."""
    message = pre_authentication(sealed.payloadType, sealed.payload)
    tried = ((key, one.sig) for key in keys for one in sealed.signatures)
    return next((key for key, signature in tried if has_signed(key, signature, message)), None)


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """What is signed (PAE): type and payload, each after its length."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
