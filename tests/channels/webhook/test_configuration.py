"""What can be written for a webhook, and what is refused where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from channels.webhook.endpoint import WebhookEndpoint
from channels.webhook.inbound import WebhookListener
from engine.config.models import Exposure
from engine.registry import channel_type
from engine.security.secrets import Secret
from engine.security.signing import new_key_pair, new_shared_secret
from tests.channels.http.serving import LOOPBACK

URL = "https://dme.clinique-abc.example/hooks"


def test_the_type_is_found_by_its_name() -> None:
    found = channel_type("webhook")
    assert (found.listener, found.endpoint) == (WebhookListener, WebhookEndpoint)


def test_where_it_leads_is_known_to_the_check() -> None:
    assert WebhookEndpoint(webhook=URL).exposure() == Exposure("dme.clinique-abc.example", encrypted=True)  # type: ignore[arg-type]  # text is read into a Url
    assert WebhookEndpoint.model_validate({"webhook": "http://127.0.0.1:1/"}).exposure() == Exposure(
        "127.0.0.1", encrypted=False
    )


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"webhook": "ftp://a/b"}, "not a URL"),
        ({"webhook": "https://user:secret@a/b"}, "no user or password"),
        ({"webhook": "https://a/b#c"}, "no fragment"),
        ({"webhook": "https://clinique-é.example/"}, "ASCII"),
        ({"webhook": "http://a/b", "tls": "engine"}, "https://"),
        ({"webhook": URL, "headers": {"Host": "b"}}, "written by the engine"),
        ({"webhook": URL, "headers": {"Webhook-Id": "b"}}, "written by the engine"),
        ({"webhook": URL, "headers": {"X A": "b"}}, "not a header's name"),
        ({"webhook": URL, "headers": {"X-A": "b\r\nX-B: c"}}, "visible ASCII"),
        ({"webhook": URL, "sign": {"standard_webhooks": Secret("hello")}}, "begins with whsec_"),
        ({"webhook": URL, "sign": {"standard_webhooks": Secret(new_key_pair()[1])}}, "only verifies"),
        ({"webhook": URL, "sign": {"standard_webhooks": []}}, "at least 1 item"),
        ({"webhook": URL, "sign": {"standard_webhooks": [new_shared_secret()] * 5}}, "at most 4 items"),
    ],
)
def test_an_endpoint_that_cannot_work_is_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        WebhookEndpoint.model_validate(config)


def test_a_listener_without_keys_is_refused() -> None:
    with pytest.raises(ValidationError, match="verify"):
        WebhookListener.model_validate({"webhook": LOOPBACK})


def test_neither_keys_nor_headers_are_printed() -> None:
    config = {
        "webhook": URL,
        "sign": {"standard_webhooks": new_shared_secret()},
        "headers": {"X-Api-Key": "k-fictive"},
    }
    text = repr(WebhookEndpoint.model_validate(config))
    assert "whsec_" not in text and "k-fictive" not in text
