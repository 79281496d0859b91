"""Settings: order of sources, refusal by name, secrets that do not show."""

from __future__ import annotations

import pytest

from bot.errors import SettingsInvalid
from bot.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(tmp_path, text: str):
    path = tmp_path / "neurobot.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_need_no_file():
    assert load_settings(environ={}) == Settings()


def test_flags_win_over_environment_over_file(tmp_path):
    write(tmp_path, "[http]\nport = 1\nhost = '127.0.0.2'\n[answers]\ntop_k = 3\n")
    environ = {"NEUROBOT_HTTP__PORT": "2", "NEUROBOT_ANSWERS__TOP_K": "4"}
    settings = load_settings(environ=environ, overrides={"answers.top_k": 6, "company": None})
    assert (settings.http.host, settings.http.port, settings.answers.top_k) == ("127.0.0.2", 2, 6)
    assert settings.company == "Neurobot"


def test_lists_in_the_environment_are_separated_by_commas():
    environ = {
        "NEUROBOT_WIDGET__ALLOWED_ORIGINS": "https://a.example, https://b.example",
        "NEUROBOT_HOURS__DAYS": "6,7",
    }
    settings = load_settings(environ=environ)
    assert settings.widget.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.hours.days == (6, 7)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot = 1", "'prot'"),
        ("[http]\nprot = 1", "'http.prot'. Did you mean 'http.port'"),
        ("[answers]\ntop_k = 21", "$.answers.top_k"),
        ("[hours]\nopens = '9am'", "$.hours.opens"),
        ("http = 1", "'http' is a section"),
        ("[http", "cannot be read"),
        ("[telegram]\nmode = 'pull'", "$.telegram.mode"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path, text, named):
    with pytest.raises(SettingsInvalid, match=r"[Ss]ettings") as refused:
        load_settings(write(tmp_path, text), environ={})
    assert named in str(refused.value)
    assert refused.value.exit_code == 78


def test_unknown_environment_is_refused():
    with pytest.raises(SettingsInvalid, match=r"http\.prot"):
        load_settings(environ={"NEUROBOT_HTTP__PROT": "1"})


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(SettingsInvalid, match="does not exist"):
        load_settings(tmp_path / "other.toml", environ={})


def test_a_secret_may_lie_in_a_file(tmp_path):
    (tmp_path / "token").write_text("123:abc\n", encoding="utf-8")
    environ = {"NEUROBOT_TELEGRAM__TOKEN_FILE": str(tmp_path / "token")}
    assert load_settings(environ=environ).telegram.token == "123:abc"
    with pytest.raises(SettingsInvalid, match="TOKEN_FILE"):
        load_settings(environ={"NEUROBOT_TELEGRAM__TOKEN_FILE": str(tmp_path / "absent")})


def test_settings_never_show_their_secrets(tmp_path):
    path = write(tmp_path, "[telegram]\ntoken = '123:abc'\nwebhook_secret = 'hush'\n")
    shown = repr(load_settings(path, environ={}))
    assert "123:abc" not in shown
    assert "hush" not in shown
