"""Say in a sentence, the same each time, why a TLS connection was refused.

OpenSSL's own words change between versions and name its source files; operators and journals get these instead.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsFailure:
    """Why TLS failed: `code` is short and stable (a metric's label), `text` a sentence for people."""

    code: str
    text: str


# What we found wrong with the peer's certificate, by X509_V_ERR_* (openssl/x509_vfy.h).
_BY_VERIFY_CODE = {
    9: TlsFailure("not_yet_valid", "the peer's certificate is not valid yet (or a clock is wrong)"),
    10: TlsFailure("expired", "the peer's certificate has expired"),
    18: TlsFailure("self_signed", "the peer's certificate is self-signed, not signed by our CA"),
    19: TlsFailure("wrong_ca", "the peer's certificate is not signed by our CA"),
    20: TlsFailure("wrong_ca", "the peer's certificate is not signed by our CA"),
    21: TlsFailure("wrong_ca", "the peer's certificate is not signed by our CA"),
    23: TlsFailure("revoked", "the peer's certificate has been revoked"),
    26: TlsFailure("wrong_purpose", "the peer's certificate is not meant for this use (extended key usage)"),
    62: TlsFailure("wrong_name", "the peer's certificate is for another host name"),
    64: TlsFailure("wrong_name", "the peer's certificate is for another address"),
}
_UNTRUSTED = TlsFailure("untrusted", "the peer's certificate failed verification")

_OLD_PEER = TlsFailure("old_tls", "the peer offers no TLS 1.3, only TLS 1.2 or older")
_NO_CLIENT_CERTIFICATE = TlsFailure(
    "no_certificate", "the peer presented no certificate, and one is required"
)
_NO_TLS = TlsFailure("no_tls", "the peer does not speak TLS on this port")

# What OpenSSL names as reason: found by us, or told by the peer in an alert (RFC 8446 6.2).
_BY_REASON = {
    "UNSUPPORTED_PROTOCOL": _OLD_PEER,
    "NO_PROTOCOLS_AVAILABLE": _OLD_PEER,
    "VERSION_TOO_LOW": _OLD_PEER,
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD_PEER,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": _NO_CLIENT_CERTIFICATE,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": TlsFailure(
        "certificate_required", "the peer requires a client certificate, and we presented none"
    ),
    "TLSV1_ALERT_UNKNOWN_CA": TlsFailure(
        "refused_wrong_ca", "the peer refused our certificate: it does not trust our CA"
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": TlsFailure(
        "refused_expired", "the peer refused our certificate: it has expired"
    ),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": TlsFailure(
        "refused_revoked", "the peer refused our certificate: it has been revoked"
    ),
    "SSLV3_ALERT_BAD_CERTIFICATE": TlsFailure("refused_certificate", "the peer refused our certificate"),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": TlsFailure("refused_certificate", "the peer refused our certificate"),
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": TlsFailure(
        "refused_certificate", "the peer refused our certificate"
    ),
    "TLSV1_ALERT_ACCESS_DENIED": TlsFailure(
        "refused_access", "the peer knows our certificate and denies it access"
    ),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": TlsFailure(
        "nothing_in_common", "the peer found no protocol or cipher in common with us"
    ),
    "NO_SHARED_CIPHER": TlsFailure("nothing_in_common", "the peer and we have no cipher in common"),
    "TLSV1_UNRECOGNIZED_NAME": TlsFailure("wrong_name", "the peer does not serve the host name we asked for"),
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "HTTP_REQUEST": TlsFailure("no_tls", "the peer speaks plain HTTP on a TLS port"),
    "HTTPS_PROXY_REQUEST": TlsFailure("no_tls", "the peer speaks plain HTTP on a TLS port"),
    "UNEXPECTED_EOF_WHILE_READING": TlsFailure(
        "cut_off", "the peer closed the connection in the middle of TLS"
    ),
    "KEY_VALUES_MISMATCH": TlsFailure("key_mismatch", "the private key does not belong to the certificate"),
    "NO_START_LINE": TlsFailure("no_pem", "the file holds no PEM text"),
    "PEM_LIB": TlsFailure("no_pem", "a file holds no certificate or no private key in PEM form"),
}
_UNNAMED = TlsFailure("tls", "TLS failed, and OpenSSL gave no reason")
_CUT_OFF = TlsFailure("cut_off", "the peer closed the connection during the TLS handshake")
_SILENT = TlsFailure("silent", "the peer did not finish the TLS handshake in time")


def diagnose(error: BaseException) -> TlsFailure | None:
    """Name the cause, looking through what wraps it (`from`, aiohttp's connector errors); None when it is not TLS.

    With TLS 1.3 a client that the server refuses hears of it only at its first read, and from a server that writes no
    alert as a bare reset or end of stream. That alone is no TLS failure: a partner that went away looks the same.
    """
    for cause in _chain(error):
        failure = _of_ssl(cause) if isinstance(cause, ssl.SSLError) else _of_handshake(cause)
        if failure is not None:
            return failure
    return _UNNAMED if isinstance(error, ssl.SSLError) else None


def explain_tls_error(error: BaseException) -> str:
    """Return a sentence without personal data, host names or OpenSSL's file names; the same for the same cause."""
    failure = diagnose(error)
    if failure is not None:
        return failure.text
    if isinstance(error, ConnectionResetError | BrokenPipeError | EOFError):
        return "the peer closed the connection: maybe it speaks no TLS 1.3, maybe it refuses our certificate"
    return f"no TLS failure ({type(error).__name__})"


def _of_ssl(error: ssl.SSLError) -> TlsFailure | None:
    """Read OpenSSL's reason; an HTTP client's wrapper bears the class but not the attributes, its cause has both."""
    verify_code = getattr(error, "verify_code", None)
    if verify_code is not None:
        return _BY_VERIFY_CODE.get(verify_code, _UNTRUSTED)
    reason = getattr(error, "reason", None)
    if reason:
        return _BY_REASON.get(reason.upper()) or TlsFailure("tls", f"TLS failed ({reason})")
    return _CUT_OFF if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) else None


def _of_handshake(error: BaseException) -> TlsFailure | None:
    """Recognise asyncio's own words for a handshake that never ended (asyncio/sslproto.py)."""
    if isinstance(error, ConnectionAbortedError) and str(error).startswith("SSL handshake is taking longer"):
        return _SILENT
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk from the error to what caused it, each once."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = (
            getattr(current, "certificate_error", None),  # aiohttp.ClientConnectorCertificateError
            getattr(current, "os_error", None),  # aiohttp.ClientConnectorError
            current.__cause__,
            None if current.__suppress_context__ else current.__context__,
        )
        waiting += [found for found in inner if isinstance(found, BaseException)]
