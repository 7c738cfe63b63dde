"""Standard Webhooks both ways, with PyPI `standardwebhooks` and `cryptography` as the other side."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from engine.security.secrets import Secret
from engine.security.signing import (
    BadSignature,
    PublicKey,
    SharedKey,
    UnusableKey,
    load_key,
    load_signing_key,
    new_key_pair,
    new_shared_secret,
    sign,
    verify,
)

ID = "01J9ZK3W8Q5V7X2M4N6P"
BODY = '{"résumé":"Rendez-vous déplacé", "n": 1.50}\n'.encode()
NOW = 1_793_000_000

SHARED = new_shared_secret()
PRIVATE, PUBLIC = new_key_pair()


def headers_of(*secrets: Secret, timestamp: int = NOW, body: bytes = BODY) -> dict[str, str]:
    keys = [load_signing_key(secret) for secret in secrets]
    return sign(keys, message_id=ID, timestamp=timestamp, body=body)


def real_now() -> int:
    """Return the real time: the other library compares with it, and a suite runs longer than its tolerance."""
    return int(datetime.now(UTC).timestamp())


def test_the_other_library_accepts_our_v1() -> None:
    Webhook(SHARED.reveal()).verify(BODY, headers_of(SHARED, timestamp=real_now()), json_parse=False)


def test_we_accept_the_other_librarys_v1() -> None:
    signature = Webhook(SHARED.reveal()).sign(ID, datetime.fromtimestamp(NOW, UTC), BODY.decode())
    headers = {"Webhook-Id": ID, "Webhook-Timestamp": str(NOW), "Webhook-Signature": signature}
    verified = verify([load_key(SHARED)], headers, BODY, now=NOW)
    assert (verified.message_id, verified.timestamp) == (ID, NOW)


def test_the_other_library_finds_its_v1_beside_our_v1a() -> None:
    headers = headers_of(PRIVATE, SHARED, timestamp=real_now())
    Webhook(SHARED.reveal()).verify(BODY, headers, json_parse=False)


def test_cryptography_accepts_our_v1a_on_the_raw_bytes() -> None:
    scheme, _, signature = headers_of(PRIVATE)["webhook-signature"].partition(",")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(PUBLIC.removeprefix("whpk_")))
    public.verify(base64.b64decode(signature), f"{ID}.{NOW}.".encode() + BODY)
    assert scheme == "v1a"


def test_we_accept_a_v1a_that_cryptography_signed() -> None:
    private = Ed25519PrivateKey.generate()
    signature = base64.b64encode(private.sign(f"{ID}.{NOW}.".encode() + BODY)).decode()
    headers = {"webhook-id": ID, "webhook-timestamp": str(NOW), "webhook-signature": f"v1a,{signature}"}
    assert verify([PublicKey(private.public_key())], headers, BODY, now=NOW).message_id == ID


def test_a_known_answer_stays_the_same() -> None:
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = sign(
        [load_signing_key(secret)],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("position", [0, 1])
def test_during_a_rotation_a_receiver_with_either_key_accepts_and_says_which(position: int) -> None:
    old, new = new_shared_secret(), new_shared_secret()
    held = load_key((new, old)[position])
    verified = verify([held], headers_of(new, old), BODY, now=NOW)
    assert verified.key.fingerprint == held.fingerprint


def test_a_receiver_with_two_keys_says_which_one_matched() -> None:
    old, new = new_shared_secret(), new_shared_secret()
    verified = verify([load_key(new), load_key(old)], headers_of(old), BODY, now=NOW)
    assert verified.key == load_key(old)


def test_both_schemes_sign_side_by_side() -> None:
    headers = headers_of(PRIVATE, SHARED)
    assert isinstance(verify([load_key(Secret(PUBLIC))], headers, BODY, now=NOW).key, PublicKey)
    assert isinstance(verify([load_key(SHARED)], headers, BODY, now=NOW).key, SharedKey)


def test_an_unknown_scheme_is_passed_over() -> None:
    headers = headers_of(SHARED)
    headers["webhook-signature"] = "v9,abc! nonsense " + headers["webhook-signature"]
    assert verify([load_key(SHARED)], headers, BODY, now=NOW).message_id == ID


@pytest.mark.parametrize("secret", [SHARED, PRIVATE])
@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": ID[:-1] + "Z"},
        {"webhook-timestamp": str(NOW + 1)},
    ],
)
def test_a_changed_header_does_not_match(secret: Secret, change: dict[str, str]) -> None:
    with pytest.raises(BadSignature) as caught:
        verify([load_key(secret)], headers_of(secret) | change, BODY, now=NOW)
    assert caught.value.code == "unmatched"


@pytest.mark.parametrize("secret", [SHARED, PRIVATE])
@given(position=st.integers(0, len(BODY) - 1), flip=st.integers(1, 255))
def test_one_changed_byte_of_the_body_does_not_match(secret: Secret, position: int, flip: int) -> None:
    changed = bytearray(BODY)
    changed[position] ^= flip
    with pytest.raises(BadSignature, match="no signature matches"):
        verify([load_key(secret)], headers_of(secret), bytes(changed), now=NOW)


def test_a_signature_of_one_scheme_is_no_signature_of_the_other() -> None:
    headers = headers_of(SHARED)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")
    with pytest.raises(BadSignature, match="offered: v1a"):
        verify([load_key(SHARED), load_key(PRIVATE)], headers, BODY, now=NOW)


def test_another_key_does_not_match() -> None:
    with pytest.raises(BadSignature) as caught:
        verify([load_key(new_shared_secret())], headers_of(SHARED), BODY, now=NOW)
    assert caught.value.code == "unmatched"


@pytest.mark.parametrize("skew", [-300, 300])
def test_the_tolerance_is_five_minutes_each_way(skew: int) -> None:
    assert verify([load_key(SHARED)], headers_of(SHARED), BODY, now=NOW + skew).timestamp == NOW


@pytest.mark.parametrize(("skew", "code"), [(301, "too_old"), (-301, "too_new")])
def test_beyond_the_tolerance_it_is_refused(skew: int, code: str) -> None:
    with pytest.raises(BadSignature, match="tolerated are 300 s") as caught:
        verify([load_key(SHARED)], headers_of(SHARED), BODY, now=NOW + skew)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    headers = headers_of(SHARED)
    del headers[name]
    with pytest.raises(BadSignature, match=f"{name} is missing") as caught:
        verify([load_key(SHARED)], headers, BODY, now=NOW)
    assert caught.value.code == "missing"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "1614265330.5"},
        {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"webhook-id": f"{ID}.{NOW}"},
        {"webhook-id": "a b"},
        {"webhook-signature": "v1,###"},
        {"webhook-signature": " ".join(["v1,AAAA"] * 17)},
    ],
)
def test_a_malformed_header_is_refused_before_any_signature(change: dict[str, str]) -> None:
    with pytest.raises(BadSignature) as caught:
        verify([load_key(SHARED)], headers_of(SHARED) | change, BODY, now=NOW)
    assert caught.value.code == "malformed"


def test_an_id_with_a_full_stop_is_not_signed() -> None:
    with pytest.raises(ValueError, match="full stop"):
        sign([load_signing_key(SHARED)], message_id="a.1", timestamp=NOW, body=BODY)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("hello", "begins with whsec_, whsk_ or whpk_"),
        ("whsec_%%%", "not base64"),
        ("whsec_" + base64.b64encode(bytes(23)).decode(), "24 to 64 bytes, not 23"),
        ("whsec_" + base64.b64encode(bytes(65)).decode(), "24 to 64 bytes, not 65"),
        ("whsk_" + base64.b64encode(bytes(31)).decode(), "32 bytes .* or 64"),
        ("whsk_" + base64.b64encode(bytes(64)).decode(), "do not belong together"),
        ("whpk_" + base64.b64encode(bytes(33)).decode(), "32 bytes, not 33"),
    ],
)
def test_an_unusable_key_says_why_and_not_what(text: str, cause: str) -> None:
    with pytest.raises(UnusableKey, match=cause) as caught:
        load_key(Secret(text))
    assert text not in str(caught.value)


def test_a_seed_alone_is_a_private_key() -> None:
    seed = base64.b64decode(PRIVATE.reveal().removeprefix("whsk_"))[:32]
    key = load_signing_key(Secret("whsk_" + base64.b64encode(seed).decode()))
    assert key.fingerprint == load_key(Secret(PUBLIC)).fingerprint


def test_base64_without_padding_and_a_line_end_are_read() -> None:
    padded = new_shared_secret()
    assert load_key(Secret(padded.reveal().rstrip("=") + "\n")) == load_key(padded)


def test_a_public_key_does_not_sign() -> None:
    with pytest.raises(UnusableKey, match="only verifies"):
        load_signing_key(Secret(PUBLIC))


def test_without_a_key_nothing_is_signed_and_nothing_verified() -> None:
    with pytest.raises(UnusableKey):
        sign([], message_id=ID, timestamp=NOW, body=BODY)
    with pytest.raises(UnusableKey):
        verify([], headers_of(SHARED), BODY, now=NOW)


@pytest.mark.parametrize("secret", [SHARED, PRIVATE])
def test_a_key_never_shows_itself(secret: Secret) -> None:
    raw = base64.b64decode(secret.reveal().split("_")[1])
    shown = repr(load_key(secret))
    assert repr(raw)[2:-1] not in shown
    assert raw.hex() not in shown
