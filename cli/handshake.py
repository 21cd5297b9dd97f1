"""TLS without grpc: for reads that do not import it, and to find out why a connection does not come about.

grpc says "failed to connect" whatever happened. Python's ssl says what did, so after a failure the handshake is tried
once more here, and the reason put into words.
"""

import os
import ssl
from socket import create_connection

from api.tls import Identity

PATIENCE = 10.0  # seconds to connect and between two bytes
HTTP2 = "h2"
# What OpenSSL calls the alerts that a server ends a handshake with.
ALERTS = {
    "CERTIFICATE_EXPIRED": "our certificate has expired",
    "UNKNOWN_CA": "our certificate was signed by an authority that it does not know",
    "CERTIFICATE_REQUIRED": "it wants a client certificate, and we have shown none",
    "CERTIFICATE_UNKNOWN": "it does not accept our certificate",
    "BAD_CERTIFICATE": "it does not accept our certificate",
}


def context_of(identity: Identity) -> ssl.SSLContext:
    """For one who shows and believes this. Raises ValueError: it is no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([HTTP2])
    context.load_verify_locations(cadata=identity.ca.decode())
    if identity.certificate:
        _show(context, identity)
    return context


def _show(context: ssl.SSLContext, identity: Identity) -> None:
    """Python reads certificates from files only. This one is memory: a key must not lie around on a disk."""
    file = os.memfd_create("identity", os.MFD_CLOEXEC)
    try:
        os.write(file, identity.certificate + b"\n" + identity.key)
        context.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.close(file)


def connect(address: str, identity: Identity) -> ssl.SSLSocket:
    """A connection to host:port. Raises OSError, ValueError."""
    host, _, port = address.rpartition(":")
    context, host = context_of(identity), host.strip("[]")
    connection = create_connection((host, int(port)), PATIENCE)
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def complaint(address: str, identity: Identity) -> str:
    """Why TLS with this server does not work; "": it does, as far as can be seen."""
    try:
        context_of(identity)
    except (OSError, ValueError):
        return (
            "the kubeconfig's certificate-authority, client-certificate and client-key cannot be read as PEM, "
            "or do not belong together"
        )
    try:
        with connect(address, identity) as connection:
            connection.settimeout(1.0)
            if connection.recv(1):  # the server's settings: it has accepted us
                return ""
    except ssl.SSLCertVerificationError as error:
        return _unbelievable(error)
    except ssl.SSLError as error:
        return _broken(error)
    except (TimeoutError, ConnectionResetError):
        pass
    except (OSError, ValueError) as error:
        return str(error)
    return _our_fault(identity)


def _unbelievable(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message
    if "expired" in said:
        return "tls: the server's certificate has expired (does it run? it renews its certificate by itself)"
    if (
        "self-signed" in said
        or "self signed" in said
        or "local issuer" in said
        or "signature" in said
    ):
        return (
            "tls: the server's certificate was signed by another authority than the kubeconfig's: "
            "is this another cluster, or an old kubeconfig?"
        )
    return f"tls: the server's certificate does not hold for this address: {said}"


def _broken(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "tls: the server speaks plain text: that is no Helmling server"
    told = next((text for name, text in ALERTS.items() if name in reason), "")
    return f"tls: the server refused us: {told or reason}"


def _our_fault(identity: Identity) -> str:
    """The server has hung up on us without a word."""
    if not identity.certificate:
        return (
            "tls: the server hung up: its port wants a client certificate, and there is only a token. "
            "Tokens have a port of their own, usually 6441"
        )
    from api import clock
    from api.certificates import BadCertificate, holder_of

    try:
        holder = holder_of(identity.certificate)
    except BadCertificate as error:
        return str(error)
    if clock.now() > holder.until:
        return (
            f"tls: the certificate of {holder.name} expired at {holder.until:%Y-%m-%d %H:%M:%S} UTC"
        )
    return f"tls: the server does not accept the certificate of {holder.name}: is it another cluster's?"
