"""States without secrets pass the redactor as they are; those with one are found whatever stands around it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_vcr_nb.core.encoding import encode
from agent_vcr_nb.core.redact import Redactor

# One form of each rule, in the words of its issuer's documentation; made of letters that are no real key.
SECRETS = {
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
    "anthropic-key": "sk-ant-api03-" + "a" * 20,
    "openai-key": "sk-" + "b" * 20,
    "stripe-key": "rk_live_" + "c" * 20,
    "github-token": "ghs_" + "d" * 36,
    "gitlab-token": "glpat-" + "e" * 20,
    "aws-key": "AKIA" + "F" * 16,
    "google-key": "AIza" + "g" * 35,
    "slack-token": "xoxb-" + "1" * 12,
    "huggingface-token": "hf_" + "h" * 34,
    "groq-key": "gsk_" + "i" * 52,
    "replicate-token": "r8_" + "j" * 37,
    "langsmith-key": "lsv2_pt_" + "k" * 32,
    "npm-token": "npm_" + "l" * 36,
    "pypi-token": "pypi-AgE" + "m" * 60,
    "sendgrid-key": "SG." + "n" * 22 + "." + "o" * 43,
    "digitalocean-token": "dop_v1_" + "a" * 64,
    "telegram-token": "123456789:AA" + "p" * 33,
    "jwt": "eyJ" + "q" * 20 + ".eyJ" + "r" * 20 + "." + "s" * 20,
}
PHRASES = {
    "azure-key": ("AccountName=x;AccountKey=", "t" * 44 + "=="),
    "bearer": ("Authorization: Bearer ", "u1" * 16),
    "url-password": ("postgres://", "admin:hunter2"),
    "assignment": ("PASSWORD=", "correct-horse"),
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def _planted(value: Any, text: str, place: str) -> Any:
    return {"kept": value, "deep": [1, {"list": [value, text] if place == "list" else [text + " ok", value]}]}


@pytest.mark.parametrize("rule", SECRETS)
def test_each_form_of_secret_is_replaced_deep_inside_a_state(rule: str) -> None:
    state = encode({"messages": [{"content": f"here: {SECRETS[rule]} ok"}]})
    assert Redactor().tree(state) == {"messages": [{"content": f"here: [REDACTED:{rule}] ok"}]}


@pytest.mark.parametrize("rule", PHRASES)
def test_a_secret_that_its_surroundings_tell_is_replaced_deep_inside_a_state(rule: str) -> None:
    before, secret = PHRASES[rule]
    after = "@db" if rule == "url-password" else ""
    state = encode([{"content": before + secret + after}])
    assert Redactor().tree(state) == [{"content": f"{before}[REDACTED:{rule}]{after}"}]


@given(json_values, st.sampled_from(sorted(SECRETS)), st.sampled_from(["list", "text"]))
def test_no_value_beside_a_secret_hides_it(value: Any, rule: str, place: str) -> None:
    state = encode(_planted(value, SECRETS[rule], place))
    assert SECRETS[rule].split("\n")[0] not in json.dumps(Redactor().tree(state))


@given(json_values, st.sampled_from(["password", "OPENAI_API_KEY", "clientSecret", "x-auth-token"]))
def test_no_value_beside_a_key_of_a_secret_hides_it(value: Any, key: str) -> None:
    state = encode({"a": value, "b": [value, {key: "plain words"}], "c": {1: {key: "plain words"}}})
    assert "plain words" not in json.dumps(Redactor().tree(state))


@given(json_values)
def test_a_rule_of_the_user_is_met_by_every_state(value: Any) -> None:
    state = encode({"a": value, "b": ["badge 1234"]})
    assert Redactor(values={"badge": r"badge \d{4}"}).tree(state)["b"] == ["[REDACTED:badge]"]


def test_a_state_without_secrets_is_given_back_as_it_is() -> None:
    state = {"task": "the right way through", "steps": [{"n": 1, "words": ["a", None, True, 0.5]}]}
    assert Redactor().tree(state) is state
