"""A secret that an agent meets is nowhere on disk, and what is no secret stays as it is."""

import asyncio
import base64
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_vcr_nb import VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.redact import Redactor
from agent_vcr_nb.integrations import functions

letters = random.Random(20261124)


def drawn(alphabet, length):
    return "".join(letters.choice(alphabet) for _ in range(length))


LOWER, ALNUM = "abcdef0123456789", "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
UPPER = "ABCDEFGHJKLMNPQRSTUVWXYZ234567"

SECRETS = {
    "openai": "sk-proj-" + drawn(ALNUM, 40),
    "anthropic": "sk-ant-api03-" + drawn(ALNUM, 60),
    "stripe": "sk_live_" + drawn(ALNUM, 24),
    "github": "ghp_" + drawn(ALNUM, 36),
    "github fine": "github_pat_" + drawn(ALNUM, 60),
    "gitlab": "glpat-" + drawn(ALNUM, 20),
    "aws": "AKIA" + drawn(UPPER, 16),
    "google": "AIza" + drawn(ALNUM, 35),
    "slack": "xoxb-" + drawn("0123456789", 12) + "-" + drawn(ALNUM, 24),
    "huggingface": "hf_" + drawn(ALNUM, 34),
    "groq": "gsk_" + drawn(ALNUM, 52),
    "replicate": "r8_" + drawn(ALNUM, 37),
    "langsmith": "lsv2_pt_" + drawn(LOWER, 32) + "_" + drawn(LOWER, 10),
    "npm": "npm_" + drawn(ALNUM, 36),
    "pypi": "pypi-AgEIcHlwaS5vcmc" + drawn(ALNUM, 60),
    "sendgrid": "SG." + drawn(ALNUM, 22) + "." + drawn(ALNUM, 43),
    "digitalocean": "dop_v1_" + drawn(LOWER, 64),
    "telegram": drawn("123456789", 9) + ":AA" + drawn(ALNUM, 33),
    "jwt": "eyJ" + drawn(ALNUM, 20) + ".eyJ" + drawn(ALNUM, 40) + "." + drawn(ALNUM, 43),
    "bearer": "Bearer " + drawn(ALNUM, 32),
    "url": "postgres://admin:" + drawn(ALNUM, 16) + "@db.example.com/x",
    "azure": "AccountName=a;AccountKey=" + drawn(ALNUM, 60) + "==",
    "assignment": "DB_PASSWORD=" + drawn(ALNUM, 14),
    "in json": '{"api_key": "' + drawn(ALNUM, 20) + '"}',
    "in escaped json": '{\\"client_secret\\": \\"' + drawn(ALNUM, 20) + '\\"}',
    "private key": "-----BEGIN RSA PRIVATE KEY-----\n" + drawn(ALNUM, 64) + "\n-----END RSA PRIVATE KEY-----",
}


def core_of(secret):
    """The part of a secret that must not be found: its longest run of letters and digits, without the last five."""
    return max(re.findall(r"[A-Za-z0-9]+", secret), key=len)[:-5]


def all_bytes(folder):
    """What lies in the folder: file names too."""
    return b"\n".join(path.name.encode() + path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def assert_nowhere(folder, secret):
    raw, core = all_bytes(folder), core_of(secret)
    assert len(raw) > 200
    assert core.encode() not in raw
    for shift in range(3):  # the three ways in which base64 can show it
        hidden = base64.b64encode(b"x" * shift + core.encode())[4 if shift else 0 : -4].rstrip(b"=")
        assert hidden not in raw


FILLER = {"filler": ["x" * 400] * 5}


def in_state_values(recorder, secret):
    state = {**FILLER, "note": f"use {secret} now", "deep": [{"er": (secret, {secret})}]}
    recorder.record_step("n", state, {**state, "more": secret})
    recorder.record_step("n", {**state, "more": [secret]}, {**state, "note": f"{secret} {secret}"})


def in_state_keys(recorder, secret):
    recorder.record_step("n", {**FILLER, secret: 1}, {**FILLER, secret: 2, "d": {secret: {(secret, 1): object()}}})
    recorder.record_step("n", {**FILLER, secret: object()}, {**FILLER})


def in_messages(recorder, secret):
    chat = [{"role": "system", "content": "long " * 300}]
    for n in range(3):
        recorder.record_llm_call("m", chat, {"choices": [{"message": {"content": secret}}]})
        chat.append({"role": "user", "content": [{"type": "text", "text": f"{n} {secret}"}]})


def in_tool_arguments(recorder, secret):
    recorder.record_tool_call(f"fetch {secret}", {"headers": [f"X: {secret}"]}, secret)

    @step(type="tool", name=f"tool {secret}")
    def call(url, *, body=b""):
        return body

    call(secret, body=f"body {secret}".encode())


def in_errors(recorder, secret):
    recorder.record_error("n", {"a": 1}, ValueError(f"bad {secret}", secret))

    @step
    def outer(state):
        raise KeyError(state["s"])

    with pytest.raises(KeyError):
        outer({"s": secret})
    recorder.record_step("n", {}, {"error": ValueError(secret)}, {"custom_field": secret, "model": secret})


def in_growing_text(recorder, secret):
    text = "intro " * 20 + secret + " and more " * 5
    for end in range(100, len(text), 7):
        recorder.record_step("n", {**FILLER, "draft": text[:end]}, {**FILLER, "draft": text[: end + 3]})


def in_large_text(recorder, secret):
    large = "word " * 15_000 + secret
    recorder.record_step("n", {"page": large}, {"page": large, "raw": large.encode()})
    recorder.record_step("n", {"page": large + "."}, {"page": f"{secret} {large}"})


def in_drawn_values(recorder, secret):
    recorder.draw(f"now {secret}", lambda: [secret])


PLACES = [
    in_state_values,
    in_state_keys,
    in_messages,
    in_tool_arguments,
    in_errors,
    in_growing_text,
    in_large_text,
    in_drawn_values,
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_planted_secret_is_nowhere_on_disk(place, tmp_path, monkeypatch):
    for n, secret in enumerate(SECRETS.values()):
        folder = tmp_path / str(n)
        monkeypatch.setattr("sys.argv", ["agent.py", f"--note={secret}", secret])
        recorder = VCRRecorder(folder)
        recorder.start_session("s", metadata={"m": [secret], secret: 1}, tags=[secret], reason=f"because {secret}")
        with recorder:
            place(recorder, secret)
        assert recorder.problems == []
        assert VCRPlayer.load(folder / "s.vcr").verify_integrity()["issues"] == []
        assert_nowhere(folder, secret)


def test_what_follows_a_password_option_of_the_command_line_is_nowhere_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["agent.py", "--db-password", "correcthorsebattery", "--verbose", "--token=abcdef"])
    VCRRecorder(tmp_path).start_session("s")
    assert b"correcthorse" not in all_bytes(tmp_path)
    assert b"abcdef" not in all_bytes(tmp_path)
    assert b"--verbose" in all_bytes(tmp_path)


@pytest.mark.parametrize(
    "key",
    ["password", "OPENAI_API_KEY", "openaiApiKey", "x-api-key", "Authorization", "client_secret", "refresh_token",
     "Set-Cookie", "aws_secret_access_key", "db.password", "secrets", "pwd", "privateKey", "connection_string"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["hunter2", ["a", "hunter2"], {"deep": {"er": "hunter2"}}, b"hunter2", ("hunter2",)])
def test_what_stands_under_a_secret_s_name_is_nowhere_on_disk(key, value, tmp_path):
    recorder = VCRRecorder(tmp_path)
    recorder.start_session("s")
    recorder.record_step("n", {**FILLER, key: value}, {**FILLER, "d": {key: value}, "r": {1: 2, key: value}})
    recorder.record_step("n", {**FILLER, key: [value]}, {**FILLER})
    recorder.close()
    raw = all_bytes(tmp_path)
    assert b"hunter2" not in raw
    assert base64.b64encode(b"hunter2") not in raw


def test_a_number_under_a_secret_s_name_is_hidden_and_a_count_of_tokens_is_not():
    shown = Redactor().tree({"password": 123456, "max_token": 100, "tokens_used": 7, "api_key": None})
    assert shown == {"password": "[REDACTED:key]", "max_token": 100, "tokens_used": 7, "api_key": None}


@pytest.mark.parametrize(
    "text",
    ["the next token: something new", "a key: difficult", "see https://example.com/a:b?x=1",
     "task-list-of-everything-else",
     "Basic understanding-of-things", "http://localhost:8080", "model: gpt-4, key: value",
     "keyboard=qwerty", "risk-assessment-framework-overview", "sky-high-expectations", "12:30 to 13:45 = 75 min"],
)  # fmt: skip
def test_ordinary_text_is_left_as_it_is(text):
    assert Redactor().text(text) == text


def test_two_keys_that_look_alike_without_their_secret_both_stay():
    first, second = "sk-" + "a" * 30, "sk-" + "b" * 30
    shown = Redactor().tree({first: 1, "x": 0, second: 2, "[REDACTED:openai-key] 2": 3})
    assert list(shown.values()) == [1, 0, 2, 3]
    assert "sk-" not in "".join(shown)


def test_a_secret_that_arrives_in_pieces_leaves_no_more_than_its_beginning(tmp_path):
    """Shorter than its form it cannot be told; that much may lie on disk, and not a character more."""
    secret = "sk-" + drawn(ALNUM, 40)
    recorder = VCRRecorder(tmp_path)
    recorder.start_session("s")
    text = "The key that you asked for, after all that has been said before, is "
    for end in range(len(secret) + 1):
        recorder.record_step("n", {**FILLER, "text": text + secret[:end]}, {})
    recorder.close()
    assert secret[:19].encode() not in all_bytes(tmp_path)


def test_rules_can_be_added_and_exempted(tmp_path):
    redactor = Redactor(values={"badge": r"(badge)-\d{4}"}, keys=["locker"], allow=["id_token"])
    shown = redactor.tree({"a": "my badge-1234", "Locker": "x", "id_token": "y", "pwd": "z"})
    assert shown == {
        "a": "my [REDACTED:badge]",
        "Locker": "[REDACTED:key]",
        "id_token": "y",
        "pwd": "[REDACTED:key]",
    }


def test_without_redaction_the_recording_holds_what_was_passed(tmp_path):
    recorder = VCRRecorder(tmp_path, redact=False)
    recorder.start_session("s")
    recorder.record_step("n", {"password": "hunter2"}, {})
    assert VCRPlayer.load(tmp_path / "s.vcr").get_input_state(0) == {"password": "hunter2"}


@settings(deadline=None)
@given(st.text() | st.sampled_from([f"x {secret} y" for secret in SECRETS.values()]))
def test_redacting_twice_changes_nothing_more(text):
    redactor = Redactor()
    once = redactor.text(text)
    assert redactor.text(once) == once


@settings(deadline=None)
@given(st.text(), st.sampled_from(sorted(SECRETS.values())), st.text())
def test_a_secret_is_found_whatever_stands_around_it(before, secret, after):
    assert core_of(secret) not in Redactor().text(f"{before} {secret} {after}")


def test_the_helpers_of_plain_python_hide_what_they_draw(tmp_path):
    recorder = VCRRecorder(tmp_path)
    recorder.start_session("s")

    async def main():
        return functions.uuid4()

    asyncio.run(main())
    recorder.close()
    assert VCRPlayer.load(tmp_path / "s.vcr").verify_integrity()["ok"]
