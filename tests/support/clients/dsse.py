"""Check signed statements with securesystemslib, and say what is signed: `dsse.py PUBLIC_KEY ENVELOPE …`."""

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

key_file, *files = sys.argv[1:]
for file in files:
    envelope = Envelope.from_dict(json.loads(Path(file).read_bytes()))
    (keyid,) = envelope.signatures
    key = SSlibKey.from_crypto(load_pem_public_key(Path(key_file).read_bytes()), keyid=keyid)
    envelope.verify([key], threshold=1)
    said = {"type": envelope.payload_type, "said": json.loads(envelope.payload)}
    sys.stdout.write(f"{json.dumps(said)}\n")
