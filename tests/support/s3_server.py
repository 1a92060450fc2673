"""A real server of the S3 API in a process of its own (moto's), which checks signatures; and a wire that breaks."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.private_keys import write_key
from tests.support.server_process import eventually

REGION = "eu-central-1"


class S3Server:
    """The server, a user who may read all of it, and somebody who may do everything and puts files there."""

    def __init__(self, folder: Path, ca: Path | None = None, certificate: tuple[Path, Path] | None = None) -> None:
        """With a certificate and its key, it speaks TLS; the certificate is of the authority ca."""
        self._log, self._ca = folder / f"s3-{os.urandom(3).hex()}.log", None if ca is None else str(ca)
        tls = ["-c", str(certificate[0]), "-k", str(certificate[1])] if certificate else []
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0", *tls]
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
        try:
            self.url: str = eventually(self._address)
            self.key, self.secret = self._reader()
            self.ask_for_signatures(True)
        except BaseException:
            self.stop()
            raise

    def _address(self) -> str | None:
        assert self.process.poll() is None, self._log.read_text()
        found = re.search(r"Running on (https?://127\.0\.0\.1:\d+)", self._log.read_text())
        return found and found[1]

    def _client(self, service: str) -> Any:
        known = {"aws_access_key_id": "root", "aws_secret_access_key": "root", "region_name": REGION}
        return boto3.session.Session().client(service, endpoint_url=self.url, verify=self._ca, **known)

    def _reader(self) -> tuple[str, str]:
        iam = self._client("iam")
        iam.create_user(UserName="reader")
        allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="reader", PolicyName="reads", PolicyDocument=policy)
        made = iam.create_access_key(UserName="reader")["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def ask_for_signatures(self, does: bool) -> None:
        """Refuse what is not signed with the key of a user, or let everybody do everything."""
        unchecked = "0" if does else "inf"
        verify = True if self._ca is None else ssl.create_default_context(cafile=self._ca)
        httpx.post(f"{self.url}/moto-api/reset-auth", content=unchecked, verify=verify).raise_for_status()

    def put(self, bucket: str, key: str, content: bytes, acl: str = "private") -> None:
        """Write an object, into a bucket that is made if need be."""
        known = {"aws_access_key_id": self.key, "aws_secret_access_key": self.secret, "region_name": REGION}
        config = Config(s3={"addressing_style": "path"})
        client = boto3.session.Session().client("s3", endpoint_url=self.url, verify=self._ca, config=config, **known)
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        client.put_object(Bucket=bucket, Key=key, Body=content, ACL=acl)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


class Wire:
    """A way to a server that takes down each request's head, and breaks after so many bytes of an answer's body."""

    def __init__(self, url: str) -> None:
        self.most: int | None = None
        self.heads: list[str] = []
        self._to = httpx.URL(url)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        """One request and its answer; then the connection ends, as HTTP allows at any time."""
        with client, socket.create_connection((self._to.host, self._to.port or 80)) as server:
            head = _head(client)
            self.heads.append(head.decode())
            server.sendall(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            answer, left = _head(server), self.most
            client.sendall(answer)
            while piece := server.recv(2**16 if left is None else min(2**16, left)):
                client.sendall(piece)
                if left is not None:
                    left -= len(piece)
                    if not left:
                        return

    def asked(self, header: str) -> list[str | None]:
        """This header of each request."""
        found = (re.search(rf"(?im)^{header}: (.*?)\r?$", head) for head in self.heads)
        return [match[1] if match else None for match in found]

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # which ends the accept under way
        self._socket.close()


def _head(source: socket.socket) -> bytes:
    """What comes up to the empty line, byte by byte, so that nothing of the body is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and (byte := source.recv(1)):
        head += byte
    return head


def write_own_ca(folder: Path) -> tuple[Path, tuple[Path, Path]]:
    """The certificate of an authority that nobody knows; and a server's, for 127.0.0.1, with its key."""
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our own authority")])
    of_server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    may_sign = x509.BasicConstraints(ca=True, path_length=None)
    known = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    of_authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    root = _certificate(own, own, authority.public_key(), [(may_sign, True), (known, False)])
    issued = _certificate(of_server, own, server.public_key(), [(names, False), (of_authority, False)])
    paths = folder / "ca.pem", folder / "server.pem"
    for path, builder in zip(paths, (root, issued), strict=True):
        path.write_bytes(builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return paths[0], (paths[1], write_key(folder / "server.key", server))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, extensions: list[tuple[Any, bool]]
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, is_critical)
    return builder
