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
    assert read_notify(project) == Notify(command="mail me", when="always")
    local(project, "schedule.yml", "notify:")
    assert read_notify(project) == Notify()


def test_a_secret_can_come_from_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "pass-1")
    local(project, "credentials.yml", "database: ${oc.env:PASSWORD}")
    assert credential_values(project) == ["pass-1"]


def test_every_text_among_the_credentials_is_known(project: Path) -> None:
    local(project, "credentials.yml", f"hub: {ADDRESS}\nx: {{y: [pw, {{z: q}}], n: 1}}")
    assert set(credential_values(project)) == {ADDRESS, "pw", "q", "1"}


def test_numbers_among_the_credentials_are_secrets_too(project: Path) -> None:
    local(project, "credentials.yml", "x: {password: 12345678, pin: 1234.5678, on: true, no: null}")
    assert set(credential_values(project)) == {"12345678", "1234.5678"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("notify: canary", "'notify': should map names to values"),
        ("notify: {comand: canary}", "'notify.comand': extra inputs are not permitted; there are"),
        ("notfy: {}", "'notfy': extra inputs are not permitted; there are notify.command"),
        ("notify: {command: [mail, canary]}", "'notify.command': should be text"),
        ("notify: {when: canary}", "'notify.when': input should be 'failure' or 'always'"),
        ("notify: {command: canary", "schedule.yml in conf/ cannot be read"),
    ],
)
def test_mistakes_in_schedule_yml(text: str, said: str, project: Path) -> None:
    local(project, "schedule.yml", text)
    with pytest.raises(UserError) as refused:
        read_notify(project)
    assert said in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("value", ["x: ${oc.env:CANARY_NOT_SET}", "x: [canary"])
def test_mistakes_in_the_credentials_do_not_show_them(value: str, project: Path) -> None:
    local(project, "credentials.yml", value)
    with pytest.raises(UserError) as refused:
        credential_values(project)
    assert "canary" not in str(refused.value).lower()
    assert "credentials" in str(refused.value)


def test_a_webhook_of_earlier_versions_is_refused_and_not_shown(project: Path) -> None:
    local(project, "credentials.yml", f"schedule_webhook: {ADDRESS}")
    with pytest.raises(UserError) as refused:
        credential_values(project)
    assert "'schedule_webhook' is read no more: have notify.command" in str(refused.value)
    assert "docs/schedules.md" in str(refused.value)
    assert "canary" not in str(refused.value)
