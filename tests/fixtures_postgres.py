"""A PostgreSQL server that tests run against: the real one, made anew in a folder of its own.

It refuses to run as root, so root lends it to `nobody`. It listens on loopback and on a socket in its folder, is ready
when `start` returns, and is ended by `pg_ctl`, which knows its pid. One server serves the whole run, a database each
test; a test that restarts or kills it starts a server of its own.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

START_DEADLINE_S = 60.0  # a busy machine; a quiet one takes a second
USER = "recorder"
PASSWORD = "s3cret/of:the@store"  # every character that a URL has to quote
_NAMES = count(1)


class PostgresServer:
    """A server process that a test can stop, kill and start again on its port."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        """``durable``: with fsync, as a clinic runs it; without, for tests that are about something else."""
        self._folder = folder
        self._data = folder / "data"
        self._durable = durable
        self.port = 0
        self._as: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL, "env": _environment()}
        if os.geteuid() == 0:
            self._as |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody", "nogroup")
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            "initdb", "--pgdata", self._data, "--username", USER, "--pwfile", password, "--auth", "scram-sha-256",
            "--encoding", "UTF8", "--no-locale", "--no-sync",
        )  # fmt: skip
        password.unlink()

    def start(self) -> None:
        """Starts it; ready on return."""
        self.port = self.port or _free_port()
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self._folder,
            "max_connections": 40, "shared_buffers": "32MB", "autovacuum": "off", "log_min_messages": "fatal",
        }  # fmt: skip
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        log = self._folder / "log"
        try:
            self._run(
                "pg_ctl", "start", "--wait", "--silent", "--pgdata", self._data, "--log", log, "--options", options,
                "--timeout", int(START_DEADLINE_S),
            )  # fmt: skip
        except subprocess.CalledProcessError:
            pytest.fail("PostgreSQL did not start: " + log.read_text(errors="replace"), pytrace=False)

    def stop(self, how: str = "fast") -> None:
        """Ends it: ``fast`` in good order, ``immediate`` as a crash does. Nothing when it does not run."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "--wait", "--silent", "--pgdata", self._data, "--mode", how)

    def url(self, database: str = "postgres", *, host: str = "127.0.0.1") -> str:
        """The URL of a database, password included, as a settings file has it."""
        quoted = PASSWORD.replace("/", "%2F").replace(":", "%3A").replace("@", "%40")
        return f"postgresql://{USER}:{quoted}@{host}:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        """A connection beside the product's, each statement a transaction."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        )

    def new_database(self, options: str = "") -> str:
        """The name of an empty database, made now."""
        name = f"store_{next(_NAMES)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} {options}")
        return name

    def drop(self, database: str) -> None:
        """Takes a database away, whoever is connected."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)")

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [_program(program), *map(str, arguments)],
            check=True, timeout=START_DEADLINE_S, stdout=subprocess.DEVNULL, **self._as,
        )  # fmt: skip


def _program(name: str) -> str:
    """The path of one of PostgreSQL's programs, the newest there is. Its absence is a failure, as Mosquitto's is."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        pytest.fail(
            f"{name} is not installed: `apt-get install postgresql`, or `make setup`, which does that", pytrace=False
        )
    return path


def _environment() -> dict[str, str]:
    """This process's, without what would lead the server or its tools to another database."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _served(*, durable: bool) -> Iterator[PostgresServer]:
    # Not below pytest's own folders: those are their owner's alone, and `nobody` could not go through them.
    with tempfile.TemporaryDirectory(prefix="needlework-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder), durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop("immediate")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The run's server; it never waits for the disk."""
    yield from _served(durable=False)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, to be stopped and killed; it waits for the disk as a clinic's does."""
    yield from _served(durable=True)


@pytest.fixture
def postgres_place(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database."""
    name = postgres.new_database()
    yield postgres.url(name)
    postgres.drop(name)
