"""Workers that die or hang are noticed and replaced; all of them end together; what they count is one sum."""

import os
import re
import signal
from pathlib import Path

import httpx
import pytest
from atelier_store.layout import Store

from tests.support.onnx_bundles import image_bundle, publish
from tests.support.server_process import Server, eventually, problem, serving, workers

pytestmark = pytest.mark.process

ROW = {"instances": image_bundle().inputs[:1].tolist()}


def lives(pid: int) -> bool:
    """Whether there is such a process that is not dead already."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def ask(server: Server) -> httpx.Response:
    """A prediction over a connection of its own, which any worker may take."""
    return server.alone("POST", "/predict", json=ROW)


@pytest.mark.parametrize("count", [1, 3])
def test_there_are_as_many_workers_as_asked_for_and_they_count_as_one(store: Store, count: int) -> None:
    publish(store, image_bundle())
    with serving(store, "digits", "--workers", str(count)) as server:
        assert len(workers(server)) == count
        for _ in range(20):
            assert ask(server).status_code == 200
        eventually(lambda: answered(server) == 20)
        assert server.metric("atelier_predictions_total", model="digits") == 20
        assert server.metric("atelier_request_rows_count") == 20
        everybody_is_there(server, count)


def everybody_is_there(server: Server, count: int) -> None:
    """Wait until so many workers tell of themselves."""
    each = re.compile(r'process_cpu_seconds_total{worker="(\d)"}')
    eventually(lambda: each.findall(server.client.get("/metrics").text) == [str(number) for number in range(count)])


def answered(server: Server) -> float:
    """Predictions that were counted, by all workers."""
    return server.metric("atelier_requests_total", endpoint="/predict", status="200")


def test_classes_are_counted_as_they_are_predicted(store: Store) -> None:
    publish(store, image_bundle())
    with serving(store, "digits") as server:
        answer = server.client.post("/predict", json={"instances": image_bundle().inputs.tolist()}).json()
        labels = [prediction["label"] for prediction in answer["predictions"]]
        for label in set(labels):
            assert server.metric(
                "atelier_predicted_classes_total", label=label, version=answer["version"]
            ) == labels.count(label)


def test_a_worker_that_dies_is_replaced_and_what_it_counted_stays(store: Store) -> None:
    publish(store, image_bundle())
    with serving(store, "digits", "--workers", "2") as server:
        everybody_is_there(server, 2)
        for _ in range(10):
            ask(server)
        eventually(lambda: answered(server) == 10)
        before = workers(server)
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: len(workers(server)) == 2 and set(workers(server)) != set(before))
        assert "ended" in server.log
        for _ in range(10):  # also those that wait at the socket of the one that is starting
            assert ask(server).status_code == 200
        server.client.close()  # its worker may be the one that is gone
        server.client = httpx.Client(base_url=server.url)
        eventually(lambda: answered(server) == 20)
        assert server.stop() == 0


def test_a_worker_that_hangs_fails_the_probe_and_is_replaced(store: Store) -> None:
    publish(store, image_bundle())
    with serving(store, "digits", "--workers", "2", "--hang-after", "1") as server:
        everybody_is_there(server, 2)
        mine = served_by(server)
        (other,) = (pid for pid in workers(server) if pid != mine)
        os.kill(other, signal.SIGSTOP)
        stopped = eventually(lambda: (answer := server.client.get("/v2/health/live")).status_code != 200 and answer)
        body = problem(stopped, 503)
        assert body["live"] is False and "do not answer" in body["detail"]
        eventually(lambda: not lives(other))
        assert "has hung" in server.log
        eventually(lambda: server.client.get("/v2/health/live").status_code == 200 and len(workers(server)) == 2)


def served_by(server: Server) -> int:
    """The worker at the other end of the client's connection, which it keeps."""
    stream = server.client.get("/v2").extensions["network_stream"]
    port = stream.get_extra_info("client_addr")[1]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours, theirs = f":{server.port:04X}", f":{port:04X}"
    (inode,) = (row[9] for row in rows if row[1].endswith(ours) and row[2].endswith(theirs))
    return next(pid for pid in workers(server) if f"socket:[{inode}]" in open_files(pid))


def open_files(pid: int) -> set[str]:
    return {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}


def test_workers_end_with_a_supervisor_that_is_killed(store: Store) -> None:
    publish(store, image_bundle())
    with serving(store) as server:
        there = workers(server)
        server.process.kill()
        server.process.wait()
        eventually(lambda: not any(map(lives, there)))


def test_all_workers_end_at_once_and_leave_nothing_behind(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish(store, image_bundle())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    with serving(store, "digits", "--workers", "3") as server:
        there = workers(server)
        assert len(list((tmp_path / "temporary").glob("atelier-*"))) == 1
        assert server.stop() == 0
        assert not any(map(lives, there))
        assert list((tmp_path / "temporary").glob("atelier-*")) == []
