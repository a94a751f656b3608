"""X.509 certificates for the connections between organisations: who is on the other side, by its OIN.

The OIN stands in the subject's `serialNumber`, as PKIoverheid has it. In earnest an organisation brings its own
certificate (`Credentials`); for a chain on one machine a small authority of its own is made (`make_certificates`).
Every key is EC P-256, every connection TLS 1.3 with a certificate on both sides.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keersluis.errors import Incorrect, Untrusted
from keersluis.files import write_whole

CERTIFICATE, KEY, AUTHORITY, SETTINGS = "tls.pem", "tls.key", "ca.pem", "tls.json"
VALID = timedelta(days=397)
RENEW = timedelta(days=60)
"""A certificate of the small authority with less to go is made anew at the next start."""

_BEFORE = timedelta(hours=1)  # clocks differ


@dataclass(frozen=True, slots=True)
class Credentials:
    """The files by which an organisation proves who it is, and by which it knows others: PEM, the key of mode 600.

    `revoked`: certificate revocation list of the authority, where there is one.
    """

    certificate: Path
    key: Path
    authority: Path
    revoked: Path | None = None


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tls.json` in an organisation's folder: paths to its own certificate, in earnest."""

    certificate: Path
    key: Path
    authority: Path
    revoked: Path | None = None


def credentials_of(home: Path, organisation: str) -> Credentials | None:
    """What `<home>/<organisation>/tls.json` names, else the files of the small authority; None: there are none.

    Raises Incorrect `certificate.settings`.
    """
    folder = home / organisation
    if (folder / SETTINGS).exists():
        try:
            told = msgspec.json.decode((folder / SETTINGS).read_bytes(), type=_Settings)
        except (OSError, msgspec.MsgspecError) as error:
            expected = "paths: certificate, key, authority, and revoked if there is one"
            where = str(folder / SETTINGS)
            raise Incorrect("certificate.settings", expected=expected, got=str(error), where=where) from None
        revoked = folder / told.revoked if told.revoked else None
        return Credentials(folder / told.certificate, folder / told.key, folder / told.authority, revoked)
    if not (folder / CERTIFICATE).exists():
        return None
    return Credentials(folder / CERTIFICATE, folder / KEY, home / AUTHORITY)


# --- Who is on the other side ---------------------------------------------------------------------------


def oin_of(certificate: bytes) -> str:
    """The OIN in the subject of a certificate (DER). Raises Untrusted `certificate.no-oin`."""
    try:
        found = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    except ValueError:
        found = []
    if len(found) != 1:
        expected = "a certificate with one OIN in its subject (serialNumber)"
        raise Untrusted("certificate.no-oin", expected=expected, got=f"{len(found)} of them")
    return str(found[0].value)


class Described(NamedTuple):
    """A certificate in words: times are RFC 3339, the fingerprint is hex SHA-256."""

    oin: str
    subject: str
    issuer: str
    start: str
    until: str
    fingerprint: str


def describe(path: Path) -> Described:
    """Raises Incorrect `certificate.unreadable`, Untrusted `certificate.no-oin`."""
    certificate = _read(path)
    return Described(
        oin_of(certificate.public_bytes(Encoding.DER)),
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        certificate.fingerprint(SHA256()).hex(),
    )


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        got = error.strerror or "no file" if isinstance(error, OSError) else "something else"
        raise Incorrect("certificate.unreadable", expected="a PEM certificate", got=got, where=str(path)) from None


# --- TLS ------------------------------------------------------------------------------------------------


class Contexts:
    """TLS settings for both sides of a connection. A certificate that is replaced on disk serves from the next
    connection on, without a restart."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._client, self._server = self._make()

    def client(self) -> ssl.SSLContext:
        """For connections to others."""
        self._renew()
        return self._client

    def server(self) -> ssl.SSLContext:
        """For connections from others; each must show a certificate."""
        self._renew()
        return self._server

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        each = self._credentials
        stats = [os.stat(path) for path in (each.certificate, each.key, each.authority, each.revoked) if path]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)

    def _renew(self) -> None:
        with self._lock, suppress(OSError, Incorrect):  # half replaced: what is loaded serves on
            stamp = self._look()
            if stamp != self._stamp:
                self._client, self._server = self._make()
                self._stamp = stamp

    def _make(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        server = self._context(ssl.PROTOCOL_TLS_SERVER)
        server.verify_mode = ssl.CERT_REQUIRED
        server.num_tickets = 0  # every connection shows its certificate
        return self._context(ssl.PROTOCOL_TLS_CLIENT), server

    def _context(self, side: int) -> ssl.SSLContext:
        each = self._credentials
        context = ssl.SSLContext(side)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(each.certificate, each.key)
            context.load_verify_locations(each.authority)
            if each.revoked:
                context.load_verify_locations(each.revoked)
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        except (OSError, ssl.SSLError) as error:
            expected = "a certificate, the key that fits it, and the authority's certificate, in PEM"
            where = f"{each.certificate}, {each.key}, {each.authority}"
            raise Incorrect("certificate.unusable", expected=expected, got=str(error), where=where) from None
        return context


# --- A small authority, for a chain on one machine ------------------------------------------------------


class Wanted(NamedTuple):
    """A certificate to be made: for an organisation by its OIN and name, reached under these hosts."""

    oin: str
    name: str
    hosts: Iterable[str] = ("localhost", "127.0.0.1")


class Authority:
    """Signs certificates. Its key lies in `<folder>/ca.key` (mode 600), its certificate in `<folder>/ca.pem`."""

    def __init__(self, folder: Path, now: datetime | None = None) -> None:
        self._now = now or datetime.now(UTC)
        self.path, key_path = folder / AUTHORITY, folder / "ca.key"
        if not self.path.exists() or not key_path.exists():
            self._make(key_path)
        key = load_pem_private_key(key_path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            expected, got = "an EC private key in PEM", type(key).__name__
            raise Incorrect("certificate.unreadable", expected=expected, got=got, where=str(key_path))
        self._key, self._certificate = key, _read(self.path)

    def _make(self, key_path: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Keersluis: authority for this machine")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        made = (
            _builder(name, name, key.public_key(), self._now, timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        write_whole(key_path, _pem_key(key), 0o600)
        write_whole(self.path, made.public_bytes(Encoding.PEM), 0o644)

    def issue(self, wanted: Wanted, folder: Path, valid: timedelta = VALID) -> Credentials:
        """A new key and certificate in `folder`."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self._certificate.subject
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        made = (
            _builder(subject(wanted), issuer, key.public_key(), self._now, valid)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(_names(wanted.hosts), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, SHA256())
        )
        write_whole(folder / KEY, _pem_key(key), 0o600)
        write_whole(folder / CERTIFICATE, made.public_bytes(Encoding.PEM), 0o644)
        return Credentials(folder / CERTIFICATE, folder / KEY, self.path)


def make_certificates(home: Path, wanted: Mapping[str, Wanted]) -> None:
    """A certificate of the small authority in `<home>/<organisation>/` for each that has none or an old one."""
    now = datetime.now(UTC)
    old = [each for each in wanted if not (home / each / SETTINGS).exists() and _is_old(home / each / CERTIFICATE, now)]
    if old:
        authority = Authority(home, now)
        for organisation in old:
            authority.issue(wanted[organisation], home / organisation)


def _is_old(path: Path, now: datetime) -> bool:
    return not path.exists() or _read(path).not_valid_after_utc < now + RENEW


def request(folder: Path, wanted: Wanted) -> bytes:
    """A signing request (PEM) for the organisation's own authority; its key lies ready in `<folder>/tls.next.key`."""
    path = folder / "tls.next.key"
    if path.exists():
        key = load_pem_private_key(path.read_bytes(), None)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        write_whole(path, _pem_key(key), 0o600)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Incorrect("certificate.unreadable", expected="an EC private key in PEM", got="another", where=str(path))
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject(wanted))
    return asked.add_extension(_names(wanted.hosts), critical=False).sign(key, SHA256()).public_bytes(Encoding.PEM)


def subject(wanted: Wanted) -> x509.Name:
    """The subject of an organisation's certificate."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NL"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, wanted.name[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, next(iter(wanted.hosts), wanted.name)[:64]),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, wanted.oin),
        ]
    )


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, valid: timedelta
) -> x509.CertificateBuilder:
    start = min(now, now + valid) - _BEFORE
    return x509.CertificateBuilder(issuer, name, key, x509.random_serial_number(), start, now + valid)


def _names(hosts: Iterable[str]) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return x509.SubjectAlternativeName(names)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
