"""A lake rebuilt by a real Spark cluster, one worker of which is killed on the way."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from seat_ledger.projections.lake.engine import TABLES
from tests.acceptance.test_lake import Lakes, read, rebuilt
from tests.program import PROGRAM
from tests.support.waiting import AT_MOST, paths_below, wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        find_spec("pyspark") is None or shutil.which("java") is None,
        reason="scripts/test-spark installs Java and pyspark",
    ),
]


class Cluster:
    """One master and two workers of one core, each a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        package = find_spec("pyspark")
        assert package is not None
        assert package.origin is not None
        self.spark_class = Path(package.origin).parent / "bin" / "spark-class"
        self.master = f"spark://127.0.0.1:{free_port()}"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        port = self.master.rpartition(":")[2]
        self._begin("master.Master", "--port", port)
        for _ in range(2):
            words = (
                "--cores",
                "1",
                "--memory",
                "1g",
                "--work-dir",
                self.folder / "work",
            )
            self._begin("worker.Worker", *words, self.master)
        self._wait_for("Registered worker", "Registering worker", times=2)

    def _begin(self, name: str, *words: object) -> None:
        common = ("--host", "127.0.0.1", "--webui-port", "0")
        log = (self.folder / f"{len(self.processes)}.log").open("wb")
        self.processes.append(
            subprocess.Popen(
                [self.spark_class, f"org.apache.spark.deploy.{name}", *common,
                 *map(str, words)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1",
                     "PYSPARK_PYTHON": sys.executable},
            )
        )  # fmt: skip

    def _wait_for(self, *texts: str, times: int) -> None:
        log = self.folder / "0.log"
        wait_until(
            lambda: any(log.read_text().count(text) >= times for text in texts),
            every=0.1,
        )

    def kill(self, number: int) -> None:
        """Kill a process with all that it has started."""
        os.killpg(self.processes[number].pid, signal.SIGKILL)
        self.processes[number].wait()

    def stop(self) -> None:
        for number, process in enumerate(self.processes):
            if process.poll() is None:
                self.kill(number)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def test_a_rebuild_on_a_cluster_is_that_of_one_machine_though_a_worker_is_killed(
    database: str, tmp_path: Path, cluster: Cluster
) -> None:
    lakes = Lakes(database, tmp_path)
    lakes.account(*(f"a{n}" for n in range(24)))
    lakes.export()
    rebuilt(lakes, tmp_path / "one", "--workers", "1")
    output = tmp_path / "many"
    process = subprocess.Popen(
        [PROGRAM, "lake", "rebuild", str(lakes.place), "--output", output, "--engine",
         "spark", "--master", cluster.master, "--workers", "24"],
        env={**lakes.program.environment, "SPARK_LOCAL_IP": "127.0.0.1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    def has_begun() -> bool:
        assert process.poll() is None, process.communicate()[1]
        written = paths_below(output / "seat")
        return sum(path.suffix == ".parquet" for path in written) >= 3

    wait_until(has_begun, every=0.1)
    assert not list(output.glob("result-*"))
    cluster.kill(1)
    _, err = process.communicate(timeout=4 * AT_MOST)
    assert process.returncode == 0, err
    assert (output / "result-1-of-1.json").exists()
    for name in TABLES:
        assert read(output / name) == read(tmp_path / "one" / name)
