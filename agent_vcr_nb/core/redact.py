"""Takes secrets out of what is recorded, before memory mirror and disk: by key name and by the form of the value.

The marker names the rule: ``[REDACTED:openai-key]``. A form that no rule knows is not found; add rules for it with
``Redactor(values={"our-key": r"ours_[a-z0-9]{20}"}, keys=["badge_number"])``, and exempt keys with ``allow=[...]``.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

from agent_vcr_nb.core.encoding import TAG, Json

SECRET_KEY = (
    r"(?i:api[_-]?keys?|access[_-]?key(?:[_-]?id)?|secrets?|secret[_-]?(?:key|access[_-]?key)|client[_-]?secret"
    r"|passw(?:or)?ds?|pwd|passphrase|(?:access|refresh|auth|bearer|id|session|api)?[_-]?token|authorization"
    r"|(?:set-)?cookie|private[_-]?key|credentials?|connection[_-]?string)"
)


class Rule(NamedTuple):
    """One form of secret."""

    name: str
    hints: tuple[str, ...]
    """A text can only match if it holds one of these: a look that costs a hundredth of the expression."""
    form: str
    """Regular expression; what its group ``keep`` matches is left in the text."""


def _prefixed(name: str, prefix: str, rest: str) -> Rule:
    """A secret that starts with a fixed prefix at the start of a word, or after an escaped line end as in JSON."""
    # The prefix comes first, because the engine looks for a literal at the speed of memory and for nothing else.
    return Rule(name, (prefix,), rf"{prefix}(?:(?<![A-Za-z0-9]{prefix})|(?<=\\[nrt]{prefix})){rest}")


_BEFORE_SIGN = "|".join(
    rf"(?<={name}{quote}[=:])"
    for name in ("password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "api[_-]key", "access[_-]key",
                 "secret[_-]key", "private[_-]key")
    for quote in ("", "[\"']", *(r"\\" * n + "[\"']" for n in (1, 2, 3)))
)  # fmt: skip

# Forms as their issuers document them, or as secret scanners publish them. A secret may arrive piece by piece, so
# sixteen characters of one are enough; the lengths keep ordinary words out.
RULES: tuple[Rule, ...] = (
    Rule(
        "private-key",
        ("-----BEGIN",),
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    ),
    _prefixed("anthropic-key", "sk-ant-", r"[A-Za-z0-9_-]{16,}"),
    _prefixed("openai-key", "sk-", r"[A-Za-z0-9_-]{16,}"),
    Rule("stripe-key", ("k_live_", "k_test_"), r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    Rule("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{16,}"),
    Rule("github-token", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{16,}"),
    Rule("gitlab-token", ("glpat-",), r"glpat-[A-Za-z0-9_-]{16,}"),
    _prefixed("aws-key", "AKIA", r"[0-9A-Z]{10,16}(?![0-9A-Za-z])"),
    _prefixed("aws-key", "ASIA", r"[0-9A-Z]{10,16}(?![0-9A-Za-z])"),
    Rule("google-key", ("AIza",), r"AIza[0-9A-Za-z_-]{16,}"),
    Rule("google-key", ("ya29.",), r"ya29\.[0-9A-Za-z_-]{16,}"),
    Rule("slack-token", ("xox",), r"xox[abprse]-[A-Za-z0-9-]{10,}"),
    _prefixed("huggingface-token", "hf_", r"[A-Za-z0-9]{16,}"),
    _prefixed("groq-key", "gsk_", r"[A-Za-z0-9]{16,}"),
    _prefixed("replicate-token", "r8_", r"[A-Za-z0-9]{16,}"),
    _prefixed("langsmith-key", "lsv2_", r"[a-z]{2}_[A-Za-z0-9_]{16,}"),
    _prefixed("npm-token", "npm_", r"[A-Za-z0-9]{16,}"),
    Rule("pypi-token", ("pypi-AgE",), r"pypi-AgE[A-Za-z0-9_-]{16,}"),
    _prefixed("sendgrid-key", "SG.", r"[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]*)?"),
    Rule("digitalocean-token", ("_v1_",), r"do[opr]_v1_[a-f0-9]{16,}"),
    Rule("telegram-token", (":AA",), r"\d{8,10}:AA[A-Za-z0-9_-]{16,}"),
    Rule("azure-key", ("AccountKey=",), r"(?P<keep>AccountKey=)[A-Za-z0-9+/=]{16,}"),
    Rule("jwt", ("eyJ",), r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?"),
    Rule(
        "bearer",
        ("earer ", "EARER ", "asic ", "ASIC "),
        r"(?P<keep>[Bb](?i:earer|asic) )(?=[^ ]*[0-9A-Z=])[A-Za-z0-9._~+/=-]{16,}",
    ),
    # Without its @ a password may still be on its way; a port at the end of a text is none.
    Rule("url-password", ("://",), r"(?P<keep>://)[^\s/:@\"'\\,{}]{0,256}:(?!\d{0,5}\Z)[^\s/@\"'\\,{}]{1,256}(?=@|\Z)"),
    # As in a command line, an environment, a query, YAML, and JSON that lies in a string (arguments of a tool call).
    Rule(
        "assignment",
        ("=", ":"),
        rf"(?P<keep>[=:](?i:{_BEFORE_SIGN})"
        r"(?:\s{0,8}\\{0,3}[\"']|(?<==)|(?i:(?<=password:)|(?<=passwd:)|(?<=passphrase:)|(?<=api[_-]key:))\s))"
        r"(?:(?<=[\"'])[^\"'\\]{6,}|[^\s,;&'\"\[\]\\]{6,})",
    ),
)
_SHORTEST = 7
"""No built-in form is shorter."""

# What a whole state, as JSON in small letters, must hold one of for any rule to match or any packed text to be opened.
# A word is only looked for where its rarest part is: that look costs a twentieth of the one for a word.
_SIGNS: dict[str, tuple[str, ...]] = {
    "-": ("-----begin", "sk-", "glpat-", "xox", "pypi-"),
    "-key": ("api-key", "access-key", "secret-key", "private-key"),
    "_": ("k_live_", "k_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "hf_", "gsk_", "r8_", "lsv2_",
          "npm_", "_v1_"),
    "_key": ("api_key", "access_key", "private_key"),
    ".": ("ya29.", "sg.", "eyj"),
    "$": ('"$t":"bytes', '"$t":"bytearray', '"$t":"str"', '"$t":"dict"'),
    "ia": ("akia", "asia"),
    "key": ("accountkey=", "apikey"),
    "pass": ("password", "passwd", "passphrase"),
    "": ("aiza", ":aa", "earer ", "asic ", "://", "pwd", "secret", "token"),
}  # fmt: skip


class Redactor:
    """Replaces secrets in encoded values; the rules are the built-in ones and those given here.

    Args:
        values: rule name to regular expression, in addition to `RULES`; what its group ``keep`` matches is left.
        keys: names of keys whose values are secret, in addition to `SECRET_KEY`; compared without case.
        allow: names of keys that are no secret although a rule says so; compared without case.
    """

    def __init__(
        self, values: Mapping[str, str] | None = None, keys: Iterable[str] = (), allow: Iterable[str] = ()
    ) -> None:
        # An added rule has no hint of its own, so each text meets its expression.
        rules = [*RULES, *(Rule(name, ("",), form) for name, form in (values or {}).items())]
        self._rules = [(f"[REDACTED:{rule.name}]", rule.hints, re.compile(rule.form)) for rule in rules]
        self._shortest = 1 if values else _SHORTEST
        self._signs = {"": ("",)}.items() if values else _SIGNS.items()
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

    def may_change(self, text: str) -> bool:
        """Tell whether a rule could match in `text` or in a part of it; False is certain."""
        return len(text) >= self._shortest and self._shows_a_sign(text.lower())

    def text(self, text: str) -> str:
        """Return `text` with each secret replaced by a marker that names the rule."""
        if not self.may_change(text):
            return text
        for marker, hints, form in self._rules:
            for hint in hints:
                if hint in text:
                    text = form.sub(functools.partial(_marked, marker), text)
                    break
        return text

    def arguments(self, argv: Iterable[str]) -> list[str]:
        """Return a command line without secrets: what follows ``--password`` is one too."""
        cleaned: list[str] = []
        secret = False
        for argument in argv:
            cleaned.append("[REDACTED:key]" if secret and not argument.startswith("-") else self.text(argument))
            secret = argument.startswith("-") and "=" not in argument and self.is_secret_key(argument.lstrip("-"))
        return cleaned

    def below(self, keys: Iterable[str], value: Json) -> Json:
        """Return the encoded `value` that stands below all these keys, outermost first, without secrets."""
        for key in keys:
            if self.is_secret_key(key):
                return _hidden(value, numbers=_hides_numbers(key))
        return self.tree(value)

    def passes(self, raw: bytes, keys: Iterable[str], values: list[Json]) -> bool:
        """Tell whether nothing is secret in the JSON `raw`, which holds encoded `values` and the `keys` above them.

        False says only that each value has to be looked at.
        """
        for key in keys:
            if self.is_secret_key(key):
                return False
        return not self._shows_a_sign(raw.decode().lower()) and not self._has_secret_key(values)

    def tree(self, value: Json) -> Json:
        """Return the encoded `value` without secrets, in keys and values; `value` itself where it has none."""
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is not dict and kind is not list:
            return value
        # All texts are looked at together, as JSON: its escapes change no character of a sign.
        if self._shows_a_sign(orjson.dumps(value).decode().lower()) or self._has_secret_key(value):
            return self._without_secrets(value)
        return value

    def _shows_a_sign(self, text: str) -> bool:
        # Loops: this runs for every state, and a generator costs as much as the looks.
        for character, signs in self._signs:
            if character in text:
                for sign in signs:
                    if sign in text:
                        return True
        return False

    def _has_secret_key(self, value: Json) -> bool:
        items = value
        if type(value) is dict:
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
                if value[TAG] in ("bytes", "bytearray", "str"):
                    return self._packed(value)
                return {key: self._pairs(item) if value[TAG] == "dict" and key == "v" else self._without_secrets(item)
                        for key, item in value.items()}  # fmt: skip
            return self._members(value)
        if kind is list:
            return [self._without_secrets(item) for item in value]
        return value

    def _under(self, key: str, value: Json) -> Json:
        if self.is_secret_key(key):
            return _hidden(value, numbers=_hides_numbers(key))
        return self._without_secrets(value)

    def _members(self, value: dict[str, Json]) -> dict[str, Json]:
        cleaned: dict[str, Json] = {}
        for key, item in value.items():
            name = self.text(key)
            if name != key:
                # Two keys may look the same without their secret, and neither may hide the other.
                number, first = 2, name
                while name in cleaned or name in value:
                    name, number = f"{first} {number}", number + 1
            cleaned[name] = self._under(key, item)
        return cleaned

    def _packed(self, value: dict[str, Json]) -> dict[str, Json]:
        """Bytes lie in base64, which would hide a secret from the rules, and from nobody else."""
        try:
            text = base64.b64decode(value["v"]).decode("latin-1")
        except (KeyError, TypeError, ValueError):
            return {key: self._without_secrets(item) for key, item in value.items()}
        cleaned = self.text(text)
        if cleaned == text:
            return dict(value)
        return {**value, "v": base64.b64encode(cleaned.encode("latin-1")).decode()}

    def _pairs(self, pairs: Json) -> Json:
        return [
            [self._without_secrets(key), self._under(key, item) if type(key) is str else self._without_secrets(item)]
            for key, item in pairs
        ]


def _marked(marker: str, match: re.Match[str]) -> str:
    kept = match["keep"] if "keep" in match.re.groupindex else ""
    return f"{kept}{marker}"


def _hides_numbers(key: str) -> bool:
    """A password may be a number; what is called a token may be how many there are."""
    return not key.lower().endswith("token")


_TAG_FIELDS = frozenset({TAG, "type", "of", "dtype", "dtypes", "shape", "maxlen", "unit", "index_dtype", "factory"})


def _hidden(value: Json, *, numbers: bool) -> Json:
    """Return the value with each string, and each number where `numbers` says so, replaced by a marker."""
    kind = type(value)
    if kind is str:
        return "[REDACTED:key]" if value and not value.startswith("[REDACTED:") else value
    if kind is dict:
        keep = _TAG_FIELDS if TAG in value else ()
        return {key: item if key in keep else _hidden(item, numbers=numbers) for key, item in value.items()}
    if kind is list:
        return [_hidden(item, numbers=numbers) for item in value]
    return "[REDACTED:key]" if numbers and kind in (int, float) else value
