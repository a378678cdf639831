"""A real Redis for a test: Debian's redis-server on a free port of loopback, without persistence."""

import shutil
import socket
import subprocess
import time

import pytest

REDIS = shutil.which("redis-server")
REDIS_MISSING = "redis-server is not installed; install Debian's package redis-server"


class RedisServer:
    """A server that can be stopped and started again at the same address."""

    def __init__(self, directory):
        self._directory = directory
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process = None

    def start(self):
        command = [REDIS, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [*command, "--dir", str(self._directory), "--loglevel", "warning"], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(7) == b"+PONG\r\n":
                        return
            except OSError:
                time.sleep(0.02)
        pytest.fail("redis-server did not start")

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
