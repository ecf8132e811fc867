"""What the table and the gate say of a measurement."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import notebook_bench, peer
from tests.benchmarks.rows import bounded, compared, not_measured, seconds, table
from tests.benchmarks.worker import chat, message, small_state


def test_a_ratio_at_its_bar_is_met_and_one_above_it_is_not() -> None:
    assert compared("w", "1", "4", 0.25, 0.25)["ok"] is True
    assert compared("w", "1", "4", 0.2501, 0.25)["ok"] is False


def test_a_row_without_a_bar_is_neither_met_nor_missed() -> None:
    assert compared("w", "1", "4", 0.25, None)["ok"] is None


def test_a_time_above_its_bound_is_not_met() -> None:
    assert bounded("w", 0.0501, 0.05)["ok"] is False


@pytest.mark.parametrize(("ci", "ok"), [("true", False), ("", None)])
def test_what_was_not_measured_fails_in_ci_only(ci: str, ok: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", ci)
    assert not_measured("w", "no network", "<= 1 x")["ok"] is ok


def test_times_are_told_in_the_unit_people_use() -> None:
    assert [seconds(t) for t in (2.5, 0.0125, 4.2e-5, 3e-7)] == ["2.5 s", "12.5 ms", "42 µs", "300 ns"]


def test_the_table_aligns_its_columns_and_says_no_where_a_bar_is_missed() -> None:
    lines = table([compared("work one", "1 µs", "2 µs", 0.5, 0.25), bounded("two", 0.5, 1.0)]).splitlines()
    assert lines[1].split() == ["work", "one", "1", "µs", "2", "µs", "0.500", "<=", "0.25", "x", "NO"]
    assert lines[1].index("1 µs") == lines[2].index("500 ms")


def test_the_states_have_the_sizes_that_the_rows_name() -> None:
    assert len(orjson.dumps(small_state(7))) == 114
    assert 950 <= len(orjson.dumps(message(3))) <= 1050


def test_a_chat_grows_by_one_message_a_step() -> None:
    lengths = [(len(before["messages"]), len(after["messages"])) for before, after, _ in chat(3)]
    assert lengths == [(0, 1), (1, 2), (2, 3)]


class _Measured:
    """Answers as a benchmark that is over its bar in the first runs."""

    def __init__(self, failing_runs: int) -> None:
        self.failing_runs, self.runs = failing_runs, 0

    def __call__(self, name: str, *, gate: bool) -> list[object]:
        self.runs += 1
        return [compared("w", "1", "1", 2.0 if self.runs <= self.failing_runs else 0.5, 1.0)]


@pytest.mark.parametrize(("failing_runs", "code", "runs"), [(0, 0, 1), (1, 0, 2), (2, 1, 2)])
def test_the_gate_fails_what_is_over_its_bar_in_two_runs(
    failing_runs: int, code: int, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = _Measured(failing_runs)
    monkeypatch.setattr(command, "_measured", measured)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--gate", "core"])
    assert command.main() == code
    assert measured.runs == runs


def test_without_the_gate_a_missed_bar_is_only_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_measured", _Measured(9))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "core"])
    assert command.main() == 0
    assert "over the bar: w" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "asked"), [([], "beside the peer: 1"), (["--gate"], "with a bar: 1")])
def test_the_gate_asks_for_the_rows_that_have_a_bar_only(
    words: list[str], asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for function, work in (("rows", "beside the peer: 1"), ("gate_rows", "with a bar: 1")):
        monkeypatch.setattr(notebook_bench, function, lambda work=work: [bounded(work, 1.0, 2.0)])
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words, "notebook"])
    assert command.main() == 0
    printed = capsys.readouterr().out
    assert [work for work in ("beside the peer: 1", "with a bar: 1") if work in printed] == [asked]


@pytest.mark.slow
def test_a_peer_that_cannot_be_installed_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "ROOT", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    peer.python_with.cache_clear()
    with pytest.raises(peer.NotInstalled, match=r"ai-agent-vcr==1\.5\.4 could not be installed"):
        peer.python_with(peer.PEER)
    peer.python_with.cache_clear()
