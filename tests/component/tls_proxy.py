"""A TLS proxy with a self-signed certificate, as people put before their own relay.

It runs in threads: Home Assistant's event loop would report the handshakes that fail.
"""

import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

CHUNK = 64 * 1024


def create_certificate(folder: Path) -> tuple[Path, str]:
    """Create a self-signed certificate. Return a file with its key and itself, and its SHA-256 in hexadecimal."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    file = folder / f"{certificate.serial_number}.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return file, hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


class TlsProxy:
    """Accepts TLS connections with a certificate and passes them on to a server without TLS."""

    def __init__(self, listener: socket.socket, target: str, folder: Path) -> None:
        self._listener = listener
        self._target = (urlsplit(target).hostname, urlsplit(target).port)
        self._folder = folder
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        self.fingerprint = ""
        self.replace_certificate()

    def replace_certificate(self) -> None:
        """Use another certificate from now on, and end the open connections."""
        file, self.fingerprint = create_certificate(self._folder)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(file)
        self._close_connections()

    def start(self) -> None:
        self._run(self._accept)

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._close_connections()
        for thread in self._threads:
            thread.join(10)

    def _run(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _close_connections(self) -> None:
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with (
            suppress(OSError),
            connection,
            self._context.wrap_socket(connection, server_side=True) as tls,
            socket.create_connection(self._target) as target,
        ):
            self._connections += [tls, target]
            self._run(self._pump, target, tls)
            self._pump(tls, target)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                sink.sendall(chunk)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def run_tls_proxy(target: str, folder: Path) -> Iterator[TlsProxy]:
    """Run a proxy before a server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = TlsProxy(listener, target, folder)
        proxy.start()
        try:
            yield proxy
        finally:
            proxy.stop()
