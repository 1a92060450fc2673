"""The board of a release, and servers that serve only what its extractor has signed."""

from __future__ import annotations

from pathlib import Path

import httpx
from atelier_store.signing import keys
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.cluster_access import MINUTES, ONE_SHORT_TRIAL, Release, eventually, forwarded
from tests.support.private_keys import write_key


def test_a_signed_model_is_served_and_whoever_has_the_token_sees_its_search(release: Release, tmp_path: Path) -> None:
    key = write_key(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()))
    release.namespace.kubectl("create", "secret", "generic", "signing", f"--from-file=key.pem={key}")
    release.namespace.kubectl("create", "secret", "generic", "looks", "--from-literal=token=see-me")
    signing = {
        "promotion": {"sign": {"existingSecret": "signing"}},
        "server": {"signedBy": {"publicKey": key.with_suffix(".pub").read_text()}},
        "board": {"enabled": True, "token": {"existingSecret": "looks"}},
    }
    release.upgrade(values=ONE_SHORT_TRIAL | signing, flags=("--wait", "--timeout=10m"))

    with release.client() as client:
        card = release.model_of(release.experiment, client)
        assert card["signed_by"] == keys.fingerprint(keys.read_public(key.with_suffix(".pub"))[0])
        folder = f"/store/models/{card['model']}/signatures"
        assert f"{card['version']}.sig" in release.in_server("ls", folder)

    board = forwarded(release.namespace, f"service/{release.name}-atelier-board", 80)
    with board as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as looks:
        assert looks.get("/api/searches").status_code == 401
        looks.auth = ("anybody", "see-me")

        def searched() -> bool:
            found = {one["name"]: one for one in looks.get("/api/searches").raise_for_status().json()}
            return found.get(release.experiment, {}).get("best") is not None

        eventually(searched, MINUTES, "the search on the board")
        report = f"/api/searches/{release.experiment}/report.html"
        eventually(lambda: looks.get(report).status_code == 200, MINUTES, "the report that the extractor has left")
        assert release.experiment in looks.get(report).text
