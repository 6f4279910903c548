from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.scheduling.settings import (
    Notify,
    credential_values,
    read_notify,
)

ADDRESS = "https://hooks.example.org/services/canary"


def local(project: Path, file: str, text: str) -> None:
    (project / "conf" / "local" / file).write_text(text)


def test_nothing_is_told_by_default(project: Path) -> None:
    assert read_notify(project) == Notify()


def test_what_conf_says(project: Path) -> None:
    local(project, "schedule.yml", "notify: {command: mail me, when: always}")
    local(project, "credentials.yml", f"schedule_webhook: {ADDRESS}")
    assert read_notify(project) == Notify("mail me", ADDRESS, always=True)


def test_the_address_can_come_from_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", ADDRESS)
    local(project, "credentials.yml", "schedule_webhook: ${oc.env:HOOK}")
    assert read_notify(project).webhook == ADDRESS


def test_the_address_does_not_show() -> None:
    assert "canary" not in repr(Notify(webhook=ADDRESS))


def test_every_text_among_the_credentials_is_known(project: Path) -> None:
    local(
        project, "credentials.yml", f"schedule_webhook: {ADDRESS}\nx: {{y: [pw, {{z: q}}], n: 1}}"
    )
    assert set(credential_values(project)) == {ADDRESS, "pw", "q", "1"}


def test_numbers_among_the_credentials_are_secrets_too(project: Path) -> None:
    local(project, "credentials.yml", "x: {password: 12345678, pin: 1234.5678, on: true, no: null}")
    assert set(credential_values(project)) == {"12345678", "1234.5678"}


def test_the_parts_of_the_address_that_let_one_post() -> None:
    assert not any(Notify().secrets)
    found = Notify(webhook="https://me:pass-1@h/x%20y?apikey=key-1&bare-1&b=%2Fk+2#frag-1").secrets
    assert {"/x%20y", "/x y", "pass-1", "key-1", "bare-1", "%2Fk+2", "/k 2", "frag-1"} <= set(found)
    assert "h" not in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("notify: mail me", "'notify' should be a block"),
        ("notify: {comand: x}", "unknown entry 'comand'; there are command, when"),
        ("notfy: {}", "unknown entry 'notfy'; there are notify"),
        ("notify: {command: [mail, me]}", "one shell command, as text"),
        ("notify: {when: sometimes}", "'sometimes': should be failure or always"),
        ("notify: {command: canary", "schedule.yml in conf/ cannot be read"),
    ],
)
def test_mistakes_in_schedule_yml(text: str, said: str, project: Path) -> None:
    local(project, "schedule.yml", text)
    with pytest.raises(UserError) as refused:
        read_notify(project)
    assert said in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        "http://example.org/canary",
        "ftp://example.org/canary",
        "https:///canary",
        "canary",
        "https://exa mple.org/canary",
        "https://[canary",
        "{url: https://example.org/canary}",
        "${oc.env:CANARY_NOT_SET}",
        "[canary",
    ],
)
def test_mistakes_in_the_address_do_not_show_it(value: str, project: Path) -> None:
    local(project, "credentials.yml", f"schedule_webhook: {value}")
    with pytest.raises(UserError) as refused:
        read_notify(project)
    assert "canary" not in str(refused.value).lower()
    assert "credentials" in str(refused.value)


def test_an_open_address_on_this_machine_is_allowed(project: Path) -> None:
    local(project, "credentials.yml", "schedule_webhook: http://127.0.0.1:8000/x")
    assert read_notify(project).webhook == "http://127.0.0.1:8000/x"
