"""Takes secrets out of what is recorded, before memory mirror and disk: by key name and by the form of the value.

The marker names the rule: ``[REDACTED:openai-key]``. A form that no rule knows is not found; add rules for it with
``Redactor(values={"our-key": r"ours_[a-z0-9]{20}"}, keys=["badge_number"])``, and exempt keys with ``allow=[...]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import orjson

from agent_vcr_nb.core.encoding import TAG, Json

SECRET_KEY = (
    r"(?i:api[_-]?key|access[_-]?key(?:[_-]?id)?|secret(?:[_-]?(?:key|access[_-]?key))?|client[_-]?secret|passw(?:or)?d"
    r"|passphrase|(?:access|refresh|auth|bearer|id|session|api)?[_-]?token|authorization|(?:set-)?cookie"
    r"|private[_-]?key|credentials?|connection[_-]?string)"
)

# Forms as their issuers document them, or as secret scanners publish them; the lengths keep ordinary words out.
VALUE_RULES: dict[str, str] = {
    "private-key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    "anthropic-key": r"sk-ant-[A-Za-z0-9_-]{16,}",
    "openai-key": r"sk-[A-Za-z0-9_-]{16,}",
    "stripe-key": r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "github-token": r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,}",
    "gitlab-token": r"glpat-[A-Za-z0-9_-]{20,}",
    "aws-key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "google-key": r"AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,}",
    "slack-token": r"xox[abprse]-[A-Za-z0-9-]{10,}",
    "huggingface-token": r"\bhf_[A-Za-z0-9]{30,}",
    "groq-key": r"\bgsk_[A-Za-z0-9]{40,}",
    "replicate-token": r"\br8_[A-Za-z0-9]{30,}",
    "langsmith-key": r"\blsv2_[a-z]{2}_[A-Za-z0-9_]{30,}",
    "npm-token": r"\bnpm_[A-Za-z0-9]{36}",
    "pypi-token": r"pypi-AgE[A-Za-z0-9_-]{50,}",
    "sendgrid-key": r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    "digitalocean-token": r"\bdo[opr]_v1_[a-f0-9]{64}",
    "telegram-token": r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}",
    "azure-key": r"(?<=AccountKey=)[A-Za-z0-9+/=]{40,}",
    "jwt": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "bearer": r"(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/=-]{16,}",
    "url-password": r"(?<=://)[^\s/:@]{0,256}:[^\s/@]{1,256}(?=@)",
    "assignment": (
        r"(?i:(?<=password=)|(?<=passwd=)|(?<=api_key=)|(?<=apikey=)|(?<=secret=)|(?<=token=)|(?<=secret_key=)"
        r"|(?<=password: )|(?<=api_key: ))[^\s,;&'\"\[\]]{6,}"
    ),
}

# A value can only match if it holds one of these words, and a word is only looked for where its rarest character is:
# that look costs a twentieth of the one for a word, which costs a hundredth of the expression.
_HINTS: dict[str, tuple[str, ...]] = {
    "-": ("-----BEGIN", "sk-", "glpat-", "xox", "pypi-"),
    "_": (
        "k_live_", "k_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "hf_", "gsk_", "r8_", "lsv2_",
        "npm_", "_v1_",
    ),
    ".": ("ya29.", "SG.", "eyJ"),
    "=": (
        "AccountKey=", "assword=", "ASSWORD=", "asswd=", "ASSWD=", "ey=", "EY=", "ecret=", "ECRET=", "oken=", "OKEN=",
    ),
    "": (
        "AKIA", "ASIA", "AIza", ":AA", "earer ", "EARER ", "asic ", "ASIC ", "://", "assword: ", "ASSWORD: ", "ey: ",
        "EY: ",
    ),
}  # fmt: skip


class Redactor:
    """Replaces secrets in encoded values; the rules are the built-in ones and those given here.

    Args:
        values: rule name to regular expression, in addition to `VALUE_RULES`.
        keys: names of keys whose values are secret, in addition to `SECRET_KEY`; compared without case.
        allow: names of keys that are no secret although a rule says so; compared without case.
    """

    def __init__(
        self, values: Mapping[str, str] | None = None, keys: Iterable[str] = (), allow: Iterable[str] = ()
    ) -> None:
        rules = {**VALUE_RULES, **(values or {})}
        self._names = dict(enumerate(rules))
        self._value = re.compile("|".join(f"(?P<r{n}>{rule})" for n, rule in enumerate(rules.values())))
        # An added rule has no hint of its own, so each value meets the whole expression.
        self._hints = _HINTS.items() if not values else {"": ("",)}.items()
        self._key = re.compile(rf"(?:.*(?:[_\-. ]|[a-z](?=[A-Z])))?{SECRET_KEY}", re.DOTALL)
        self._known_keys = {key.lower(): True for key in keys} | {key.lower(): False for key in allow}

    def is_secret_key(self, key: str) -> bool:
        """Tell whether what stands under this key is a secret by the key's name alone."""
        known = self._known_keys.get(key)
        if known is None:
            known = self._known_keys.get(key.lower())
            if known is None:
                known = self._key.fullmatch(key[-200:]) is not None
            if len(self._known_keys) < 10_000:
                self._known_keys[key] = known
        return known

    def text(self, text: str) -> str:
        """Return `text` with each secret replaced by a marker that names the rule."""
        if not self._may_hold_a_secret(text):
            return text
        return self._value.sub(lambda m: f"[REDACTED:{self._names[int((m.lastgroup or 'r0')[1:])]}]", text)

    def _may_hold_a_secret(self, text: str) -> bool:
        for character, hints in self._hints:
            if character in text:
                for hint in hints:
                    if hint in text:
                        return True
        return False

    def below(self, keys: Iterable[str], value: Json) -> Json:
        """Return the encoded `value` that stands below all these keys without secrets."""
        if any(self.is_secret_key(key) for key in keys):
            return _all_strings(value)
        return self.tree(value)

    def tree(self, value: Json) -> Json:
        """Return the encoded `value` without secrets, in keys and values; `value` itself where it has none."""
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is not dict and kind is not list:
            return value
        # All texts are looked at together, as JSON: its escapes change no character of a hint.
        if self._may_hold_a_secret(orjson.dumps(value).decode()) or self._has_secret_key(value):
            return self._without_secrets(value)
        return value

    def _has_secret_key(self, value: Json) -> bool:
        items = value
        if type(value) is dict:
            if value.get(TAG) == "dict":
                return True  # its keys are values here: let them be looked at one by one
            known = self._known_keys
            for key in value:
                if known.get(key) is not False and self.is_secret_key(key):
                    return True
            items = value.values()
        for item in items:
            kind = type(item)
            if (kind is dict or kind is list) and self._has_secret_key(item):
                return True
        return False

    def _without_secrets(self, value: Json) -> Json:
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is dict:
            # A tag's own fields (type, dtype) are no keys of the user; its payload is.
            if TAG in value:
                return {key: self._pairs(item) if value[TAG] == "dict" and key == "v" else self._without_secrets(item)
                        for key, item in value.items()}  # fmt: skip
            return {self.text(key): self._under(key, item) for key, item in value.items()}
        if kind is list:
            return [self._without_secrets(item) for item in value]
        return value

    def _under(self, key: str, value: Json) -> Json:
        return _all_strings(value) if self.is_secret_key(key) else self._without_secrets(value)

    def _pairs(self, pairs: Json) -> Json:
        return [
            [
                self._without_secrets(key),
                self._under(key, item) if type(key) is str else self._without_secrets(item),
            ]
            for key, item in pairs
        ]


def _all_strings(value: Json) -> Json:
    kind = type(value)
    if kind is str:
        return "[REDACTED:key]" if value and not value.startswith("[REDACTED:") else value
    if kind is dict:
        keep = (TAG, "type", "of", "dtype") if TAG in value else ()
        return {key: item if key in keep else _all_strings(item) for key, item in value.items()}
    if kind is list:
        return [_all_strings(item) for item in value]
    return value
