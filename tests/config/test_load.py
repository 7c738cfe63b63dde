"""Loading: what comes from where, what is filled in, what is never shown, and what a reload sees."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from engine.config.check_texts import explanations
from engine.config.load import load_configuration, load_route
from engine.config.models import EndpointConfig
from engine.errors import ConfigurationError
from tests.config.project import ENV, NOW_MS, load, make_project, problems_of, write
from tests.config.sample_plugins import AmqpListener, MailConnection, RestListener, WebhookEndpoint, plugins

CONFIG = Path("config.yaml")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample project as the working folder."""
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_key_that_names_a_channel_says_what_a_listener_is() -> None:
    app = load(CONFIG).app

    public, booked = app.listen["public"], app.listen["booked"]
    assert isinstance(public, RestListener) and str(public.rest) == "127.0.0.1:8443"
    assert isinstance(booked, AmqpListener) and booked.prefetch == 50
    assert isinstance(app.connections["relay"], MailConnection)


def test_text_stays_text() -> None:
    loaded = load(CONFIG)

    assert loaded.partners["clinique-abc"].identifiers == {
        "permit": ("01234",),
        "facility": ("CLINABC", "ABC"),
    }
    assert loaded.partners["clinique-def"].identifiers["permit"] == ("05678",)


def test_insertions_are_filled_from_environment_files_and_credentials() -> None:
    loaded = load(CONFIG, environ={"BUS_URL": "amqps://mq.example/v"})

    endpoint, relay = loaded.partners["clinique-abc"].endpoints["emr"], loaded.app.connections["relay"]
    assert isinstance(endpoint, WebhookEndpoint) and endpoint.sign is not None
    assert endpoint.sign.standard_webhooks.reveal() == "placeholder of clinique-abc.whsec"
    assert isinstance(relay, MailConnection) and relay.password is not None
    assert relay.password.reveal() == "sample-mail-password"
    assert loaded.app.store == "sqlite:var/passerelle.db"
    booked = loaded.app.listen["booked"]
    assert isinstance(booked, AmqpListener) and booked.amqp.host == "mq.example"


def test_systemd_credentials_come_before_the_folder(tmp_path: Path) -> None:
    write(tmp_path, "run/smtp", "from-systemd\n")
    write(tmp_path, "run/nagios", "from-systemd\n")

    relay = load(CONFIG, environ={"CREDENTIALS_DIRECTORY": str(tmp_path / "run")}).app.connections["relay"]

    assert isinstance(relay, MailConnection) and relay.password is not None
    assert relay.password.reveal() == "from-systemd"


def test_an_insertion_with_two_dollars_is_literal() -> None:
    write(
        Path(),
        "routes/literal.yaml",
        'route: literal\nfrom: night\nowner: "$${env:HOME}"\nto: [clinique-def.queue]\n',
    )

    route = load(CONFIG).route("literal")

    assert route is not None and route.config.owner == "${env:HOME}"


def test_no_secret_is_in_a_dump_an_origin_or_an_error() -> None:
    loaded = load(CONFIG)
    secrets = {"sample-mail-password", "sample-token", "placeholder of clinique-abc.whsec"}

    assert loaded.secrets == secrets
    shown = f"{loaded.app!r} {loaded.app.model_dump()} {dict(loaded.origins)}"
    assert not any(secret in shown for secret in secrets)


def test_an_error_about_an_inserted_value_shows_the_reference_only(tmp_path: Path) -> None:
    write(tmp_path, "credentials/address", "not an address but secret\n")
    text = CONFIG.read_text(encoding="utf-8").replace("metrics: 127.0.0.1:9464", 'metrics: "${cred:address}"')
    write(tmp_path, "config.yaml", text)

    (problem,) = problems_of(CONFIG)

    assert problem.message == '"${cred:address}" is not an address'
    assert "not an address but secret" not in problem.render()


def test_an_origin_gives_file_and_line_of_each_value() -> None:
    origins = load(CONFIG, env="prod").origins

    assert str(origins["partners.clinique-def.endpoints.emr.retry.for"]) == "partners/clinique-def.yaml:14"
    assert str(origins["listen.public.rest"]) == "env/prod.yaml:2"
    assert str(origins["listen.public.tls"]) == "config.yaml:7"
    assert str(origins["routes[archive].to[0]"]) == "routes/archive.yaml:8"
    assert origins["connections.relay.password"].value == "${cred:smtp}"


def test_an_overlay_changes_who_and_where() -> None:
    prod = load(CONFIG, env="prod")

    public, emr = prod.app.listen["public"], prod.partners["clinique-abc"].endpoints["emr"]
    assert isinstance(public, RestListener) and str(public.rest) == "0.0.0.0:443"
    assert public.tls == "server"
    assert isinstance(emr, WebhookEndpoint) and emr.webhook.host == "prod.clinique-abc.example"
    assert emr.timeout == timedelta(seconds=10)


def test_an_overlay_cannot_change_what_happens_to_a_message(tmp_path: Path) -> None:
    write(tmp_path, "env/prod.yaml", "defaults: {timeout: 1s}\n")

    assert 'an overlay cannot change "defaults"' in {
        problem.message for problem in problems_of(CONFIG, env="prod")
    }


def test_an_overlay_that_is_not_there_is_named() -> None:
    (problem,) = (found for found in problems_of(CONFIG, env="prdo") if found.file.startswith("env"))

    assert (problem.file, problem.message, problem.help) == (
        "env/prdo.yaml",
        'no overlay "prdo"',
        'did you mean "prod"?',
    )


def test_an_included_file_may_hold_sections(tmp_path: Path) -> None:
    write(
        tmp_path,
        "partners/more.yaml",
        "alerts:\n  night: {to: clinique-def.inbox}\n  ops: {to: clinique-def.inbox}\nengine: {name: x}\n",
    )

    problems = [(problem.file, problem.line, problem.message) for problem in problems_of(CONFIG)]

    assert problems == [
        ("partners/more.yaml", 3, '"ops" is given twice'),
        ("partners/more.yaml", 4, 'only config.yaml may say "engine"'),
    ]


def test_a_pattern_without_files_is_a_warning_and_a_missing_file_an_error(tmp_path: Path) -> None:
    text = CONFIG.read_text(encoding="utf-8")
    write(tmp_path, "config.yaml", text.replace("partners/*.yaml]", "partners/*.yaml, more/*.yaml]"))
    assert [warning.message for warning in load(CONFIG).warnings if "file" in warning.message] == [
        "no file matches"
    ]

    write(tmp_path, "config.yaml", text.replace("partners/*.yaml]", "partners/*.yaml, more.yaml]"))
    assert [problem.message for problem in problems_of(CONFIG)] == ["no file matches"]


def test_the_watch_list_holds_files_folders_and_secrets(tmp_path: Path) -> None:
    watched = {str(path) for path in load(CONFIG).watch_list}

    assert {
        "config.yaml",
        "routes",
        "routes/archive.yaml",
        "partners/clinique-def.yaml",
        "credentials/smtp",
    } <= watched


# --------------------------------------------------------------------------- versions and reload


def version_of(name: str) -> str:
    route = load(CONFIG).route(name)
    assert route is not None
    return route.version


def test_a_version_changes_with_what_partners_receive_and_with_nothing_else(tmp_path: Path) -> None:
    name, file = "appointment-to-clinic", Path("routes/appointment-to-clinic.yaml")
    text = file.read_text(encoding="utf-8")
    first = version_of(name)

    write(tmp_path, str(file), "# a remark\n" + text.replace("from: {public:", "from:   {public:"))
    write(tmp_path, "credentials/smtp", "another password\n")
    assert version_of(name) == first

    changed = {first}
    write(tmp_path, str(file), text.replace("after: 15m", "after: 10m"))
    changed.add(version_of(name))
    write(
        tmp_path,
        "mappings/notification.yaml",
        Path("mappings/notification.yaml").read_text(encoding="utf-8") + "  more: x\n",
    )
    changed.add(version_of(name))
    write(tmp_path, "schemas/appointment.json", '{"type": "object", "required": ["id"]}')
    changed.add(version_of(name))
    config = CONFIG.read_text(encoding="utf-8")
    write(
        tmp_path,
        "config.yaml",
        config.replace("message: ends before it starts", "message: it ends too early"),
    )
    changed.add(version_of(name))
    write(
        tmp_path,
        "config.yaml",
        config.replace("{timeout: 30s, retry: {backoff: 2s", "{timeout: 31s, retry: {backoff: 2s"),
    )
    changed.add(version_of(name))
    assert len(changed) == 6


def test_a_table_changes_the_version_of_the_routes_that_read_it(tmp_path: Path) -> None:
    steps = "[{set: {unit: \"{table('units', msg.unit)}\"}}]"
    write(
        tmp_path,
        "routes/units.yaml",
        f"route: units\nfrom: night\nsteps: {steps}\nto: [clinique-def.queue]\n",
    )
    before = version_of("units"), version_of("archive")

    write(tmp_path, "tables/units.csv", "local,unit\nUC,6 Sud\n")

    assert version_of("units") != before[0]
    assert version_of("archive") == before[1]


def test_an_event_schema_changes_the_version_of_the_routes_that_take_the_event(tmp_path: Path) -> None:
    before = version_of("appointment-to-clinic"), version_of("archive")

    write(tmp_path, "mappings/events/appointment-booked.json", '{"type": "object"}')

    assert version_of("appointment-to-clinic") != before[0]
    assert version_of("archive") == before[1]


def test_one_route_is_reloaded_alone(tmp_path: Path) -> None:
    loaded = load(CONFIG)
    write(tmp_path, "routes/archive.yaml", "route: archive\nfrom: night\nto: [clinique-def.inbox]\n")
    write(tmp_path, "routes/appointment-to-clinic.yaml", "route: [broken")

    route = load_route(Path("routes/archive.yaml"), loaded, environ=ENV, now_ms=NOW_MS)

    renewed = loaded.with_route(route)
    assert [door.listener for door in route.config.doors] == ["night"]
    assert renewed.route("archive") is route
    assert {known.name for known in renewed.routes} == {known.name for known in loaded.routes}


def test_a_route_that_is_wrong_is_refused_and_the_others_are_not_asked(tmp_path: Path) -> None:
    loaded = load(CONFIG)
    write(tmp_path, "routes/archive.yaml", "route: archive\nfrom: nigth\nto: [clinique-def.inboxx]\n")

    with pytest.raises(ConfigurationError) as refused:
        load_route(Path("routes/archive.yaml"), loaded, environ=ENV, now_ms=NOW_MS)

    assert [problem.message for problem in refused.value.problems] == [
        'there is no listener "nigth"',
        '"clinique-def" has no endpoint "inboxx"',
    ]


# --------------------------------------------------------------------------- step lists and warnings


def test_a_step_list_stands_where_it_is_used() -> None:
    route = load(CONFIG).route("appointment-to-clinic")

    assert route is not None
    assert [name for step in route.config.steps for name in step][:3] == ["require", "validate", "keep"]


def test_a_project_that_is_not_there_is_told_with_how_to_begin_one(tmp_path: Path) -> None:
    (problem,) = problems_of(Path("elsewhere.yaml"))

    assert (problem.file, problem.message) == ("elsewhere.yaml", "there is no such file")
    assert "passerelle init" in problem.help


def test_a_configuration_among_its_own_routes_is_told_once(tmp_path: Path) -> None:
    text = CONFIG.read_text(encoding="utf-8").replace("routes/*.yaml", "'*.yaml'")
    write(tmp_path, "config.yaml", text)

    told = [problem for problem in problems_of(CONFIG) if problem.file == "config.yaml"]

    assert [(problem.line, problem.message) for problem in told if "route" in problem.message] == [
        (text[: text.index("routes:")].count("\n") + 1, "config.yaml is no route, and is among them")
    ]


def test_a_step_list_that_holds_itself_is_refused(tmp_path: Path) -> None:
    text = CONFIG.read_text(encoding="utf-8").replace(
        "    - validate: schemas/appointment.json", "    - do: coherent"
    )
    write(tmp_path, "config.yaml", text)

    (problem,) = problems_of(CONFIG)

    assert (problem.file, problem.line, problem.message) == (
        "config.yaml",
        24,
        'the step list "coherent" holds itself',
    )


def test_two_routes_at_one_door_are_a_warning_and_an_idle_listener_is_one(tmp_path: Path) -> None:
    write(tmp_path, "routes/second.yaml", "route: second\nfrom: night\nto: [clinique-def.queue]\n")

    warnings = [(warning.file, warning.message) for warning in load(CONFIG).warnings]

    assert ("routes/second.yaml", '"archive" takes messages from the same door: both run') in warnings
    assert ("env/test.yaml", 'no route takes messages from "trial"') in warnings


def test_an_exception_is_warned_of_before_its_end() -> None:
    soon = 1_811_000_000_000  # 2027-05-22, 39 days before the sample's exception ends
    for days, expected in ((0, 0), (20, 1)):
        loaded = load_configuration(
            CONFIG, env="test", environ=ENV, plugins=plugins(), now_ms=soon + days * 86_400_000
        )
        assert sum("the exception ends in" in warning.message for warning in loaded.warnings) == expected


def test_each_expression_is_explained_as_it_was_understood() -> None:
    loaded = load(CONFIG)
    route = loaded.route("appointment-to-clinic")
    assert route is not None

    told = {explanation.text: explanation for explanation in explanations(loaded, route)}

    recall = told['meta.event.type == "appointment-cancelled"']
    assert recall.mark.line == 26
    assert "appointment-cancelled" in recall.understood


def test_endpoints_keep_what_profiles_and_defaults_add_apart() -> None:
    endpoint = load(CONFIG).partners["clinique-def"].endpoints["queue"]

    assert isinstance(endpoint, EndpointConfig)
    assert (endpoint.timeout, endpoint.retry, endpoint.limits, endpoint.breaker) == (None, None, None, None)
