"""What `--set`, `--mock` and `%vcr set` take for a value: JSON to the digit, else text; what is mistaken is refused."""

import pytest

from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.verbs.values import pair_of, value_of
from tests.verbs.conftest import calls


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ('"5"', "5"),
        ("-1.5", -1.5),
        ("null", None),
        ('{"a": [1, true]}', {"a": [1, True]}),
        ("sqlite", "sqlite"),
        ("use FastAPI", "use FastAPI"),
        ("a=b", "a=b"),
        ("007", "007"),
        ("1.2.3", "1.2.3"),
        ("/tmp/x", "/tmp/x"),
        ("it's", "it's"),
        ("", ""),
    ],
)
def test_json_is_json_and_anything_else_is_text(written, value):
    assert value_of(written, "--set plan") == value
    assert pair_of(f"plan={written}", "set") == ("plan", value)


def test_a_number_of_more_than_64_bits_keeps_its_digits():
    # 10^30 is 0xc9f2c9cd04674edea40000000.
    assert value_of("1000000000000000000000000000000", "n") == {"$t": "int", "v": "0xc9f2c9cd04674edea40000000"}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("True", "--set plan: True is written true in JSON; as a text it is written '\"True\"'"),
        ("None", "None is written null in JSON"),
        ("NaN", "JSON has no NaN"),
        ("{a: 1}", "{a: 1} is no JSON"),
        ("[1, 2", "is no JSON"),
        ('"open', "is no JSON"),
        ("'x'", "the quotes of 'x' are part of it here; x needs none"),
    ],
)
def test_what_was_hardly_meant_as_text_is_refused_with_the_right_spelling(written, said):
    with pytest.raises(UsageError) as error:
        value_of(written, "--set plan")
    assert said in str(error.value)


@pytest.mark.parametrize("written", ["plan", "=x", ""])
def test_a_pair_needs_a_name_and_an_equals_sign(written):
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        pair_of(written, "set")


def test_resume_takes_text_without_quotes_and_says_what_it_set(recorded, vcr, vcr_json):
    code, out, _ = vcr("resume", "my_run", "2", "--set", "database=sqlite", "--agent", "app.py:agent")
    assert code == 0
    assert 'edit /database = "sqlite"' in out
    assert calls() == ["plan", "build", "build"]
    code, out, _ = vcr("fork", "my_run", "2", "--set", "databse=sqlite")
    assert 'edit /databse = "sqlite" (new)' in out


def test_an_operation_that_removes_is_told_as_such(recorded, vcr, in_tmp):
    (in_tmp / "edit.json").write_text('[{"op": "remove", "path": "/plan"}, {"op": "add", "path": "/n", "value": 1}]')
    _, out, _ = vcr("fork", "my_run", "2", "--patch", "edit.json")
    assert "edit /plan removed\n" in out
    assert "edit /n = 1 (new)\n" in out
