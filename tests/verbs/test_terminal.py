"""What reaches a terminal, a pipe and a program that reads JSON."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import unicodedata
from pathlib import Path

import pytest

from agent_vcr_nb import VCRRecorder
from agent_vcr_nb.verbs.text import for_terminal, json_text, one_line, printable, shortened, width
from tests.verbs.conftest import run_vcr

STEERS = "\x1b[2J\x1b]0;title\x07\x1b[31mname\u202e\u2028\r\x00\x9b31m"
FAMILY = "👨\u200d👩\u200d👧"
TABLES = (["ls"], ["show", "hostile"], ["when", "hostile", "k"], ["print", "hostile", "state"])


@pytest.fixture
def hostile(in_tmp):
    """A session whose every text would steer a terminal, and one in wide characters."""
    with VCRRecorder() as recorder:
        recorder.start_session("hostile", tags=[STEERS, "日本語"])
        recorder.record_step(STEERS, {STEERS: STEERS, "k": "日本語" * 30, "e": FAMILY}, {"k": [STEERS]})
        recorder.record_step("名前" * 20, {"k": 1}, {"k": 2, "long": "x" * 500})
        recorder.record_error(STEERS, {"k": 1}, ValueError(STEERS))
        recorder.record_llm_call(STEERS, [{"role": "user", "content": STEERS}], {"content": STEERS}, 10, 3, 2.0)
    return in_tmp


def on_terminal(columns, *words):
    """Call `vcr` on a terminal of so many columns; returns (exit code, what it got)."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    argv = [sys.executable, "-m", "agent_vcr_nb", *words]
    process = subprocess.Popen(argv, stdin=its, stdout=its, stderr=its, env={**env, "TERM": "xterm"})
    os.close(its)
    shown = b""
    while True:
        try:
            shown += (part := os.read(ours, 65536))
        except OSError:  # the other end is closed
            break
        if not part:
            break
    os.close(ours)
    return process.wait(60), shown.decode().replace("\r\n", "\n")


def steering(text):
    """The control characters of a text, but for line ends and colours."""
    plain = re.sub(r"\x1b\[\d+m", "", text)
    return {c for c in plain if (c != "\n" and unicodedata.category(c) in ("Cc", "Zl", "Zp")) or c == "\u202e"}


@pytest.mark.parametrize("columns", [80, 40])
def test_a_table_fits_the_terminal(hostile, columns):
    for words in TABLES:
        code, shown = on_terminal(columns, *words)
        assert code == 0
        assert [line for line in shown.split("\n") if width(line) > columns] == [], words
    assert "\x1b[32m" in on_terminal(columns, "ls")[1]


def test_a_pipe_gets_all_columns_in_full(hostile):
    out = run_vcr("show", "hostile", env={**os.environ, "COLUMNS": "40"}).stdout
    assert "名前" * 20 in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    "words",
    [
        *TABLES,
        ["show", "hostile", "0"],
        ["show", "hostile", "2"],
        ["state", "hostile", "0"],
        ["state", "hostile", "0", "--path", "nope"],
        ["ledger", "hostile"],
        ["dag"],
        ["diff", "hostile", "0", "1"],
        ["export", "hostile"],
        ["state", "hostile", "0", "--json"],
        ["state", "hostile", "0", "--path", "nope", "--json"],
        ["show", STEERS.replace("\x00", "")],
    ],
)
def test_nothing_that_was_recorded_steers_a_terminal(hostile, words):
    assert steering(on_terminal(80, *words)[1]) == set()


def test_a_colour_that_was_recorded_ends_with_its_line():
    assert for_terminal("a \x1b[31mred\nb") == "a \x1b[31mred\x1b[0m\nb"


def test_json_says_the_same_to_a_program_though_what_steers_is_escaped(hostile):
    (state,) = (json.loads(run_vcr("state", "hostile", "0", "--json").stdout)["state"],)
    assert state[STEERS] == STEERS
    assert state["e"] == FAMILY
    exported = json.loads(run_vcr("export", "hostile").stdout)
    assert exported["frames"][0]["input_state"] == state
    assert json.loads(json_text('"\U000e0001\u202eé"'.encode())) == "\U000e0001\u202eé"


def test_columns_are_counted_as_a_terminal_does():
    assert [width(text) for text in ("abc", "日本", "e\u0301", FAMILY, "\x1b[31mred\x1b[0m")] == [3, 4, 1, 6, 3]
    assert shortened("日本語", 5) == "日本…"
    assert shortened("\x1b[31mlong red\x1b[0m", 5) == "\x1b[31mlong…\x1b[0m"
    assert printable(FAMILY) == FAMILY
    assert one_line("a\u202eb") == '"a\\u202eb"'


def test_a_terminal_of_another_encoding_gets_question_marks_and_json_stays_utf_8(hostile):
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run_vcr("ls", env=env)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^hostile  \? ok +4 +13 ", done.stdout, re.M)
    argv = [sys.executable, "-m", "agent_vcr_nb", "state", "hostile", "0", "--path", "k", "--json"]
    told = subprocess.run(argv, capture_output=True, env=env, check=True).stdout
    assert json.loads(told) == {"state": "日本語" * 30}


@pytest.mark.parametrize("words", [["demo"], ["show", "hostile"], ["export", "hostile"]])
def test_a_reader_that_has_gone_ends_it_quietly(hostile, words):
    argv = [sys.executable, "-m", "agent_vcr_nb", *words]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 141


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_an_output_that_is_full_or_closed_is_no_traceback(hostile, as_json):
    argv = [sys.executable, "-m", "agent_vcr_nb", "ls", *as_json]
    with open("/dev/full", "w") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (3, "vcr ls: No space left on device\n")
    closed = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *argv], stderr=subprocess.PIPE, text=True)
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "--json"], 2, "Missing argument"),
        (["show", "hostile", "x", "--json"], 2, "not a valid integer"),
        (["show", "hostile", "-1", "--json"], 2, "-1: numbers begin at 0 here"),
        (["show", "hostile", "99", "--json"], 2, "it has frames 0 to 3"),
        (["shwo", "--json"], 2, "No such command"),
        (["ls", "--jsn", "--json"], 2, "No such option"),
        (["resume", "hostile", "1", "--agent", "app", "--json"], 2, "expected --agent module:name"),
        (["resume", "hostile", "1", "--json"], 3, "which agent is to run?"),
        (["import", "nowhere", "--json"], 2, "no such file or folder"),
        (["export", "hostile", "--to", ".", "--json"], 3, "Is a directory"),
    ],
)
def test_every_error_is_json_where_json_was_asked_for(hostile, vcr, words, code, said):
    exit_code, out, err = vcr(*words)
    assert exit_code == code
    assert said in json.loads(out)["error"]
    assert err == ""


def test_json_of_a_program_s_own_is_not_taken_for_ours(in_tmp):
    Path("app.py").write_text("import sys; print(sys.argv[1:])")
    done = run_vcr("record", "--", "python", "app.py", "--json")
    assert done.stdout == "['--json']\n"


def test_what_child_processes_print_does_not_stand_among_the_json(in_tmp):
    Path("app.py").write_text("import subprocess\nprint('mine')\nsubprocess.run(['echo', 'from a child'])\n")
    done = run_vcr("record", "-s", "run", "--json", "--", "python", "app.py")
    assert json.loads(done.stdout)["session_id"] == "run"
    assert sorted(done.stderr.splitlines()) == ["from a child", "mine"]


def test_ctrl_c_of_a_recorded_program_is_its_end_and_what_it_recorded_is_told(in_tmp):
    Path("app.py").write_text(
        "import os, signal\nfrom agent_vcr_nb import step\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores it
        "@step\ndef first(s): return s\n@step\ndef waits(s): os.kill(os.getpid(), signal.SIGINT)\nwaits(first({}))\n"
    )
    done = run_vcr("record", "-s", "run", "--", "python", "app.py")
    assert done.returncode == 130
    assert done.stderr.endswith("KeyboardInterrupt\nrecorded run: 2 frames\n")
    assert run_vcr("verify").returncode == 0


def test_a_program_that_a_signal_ends_dies_of_it_and_its_steps_are_kept(in_tmp):
    Path("app.py").write_text(
        "import os, signal\nfrom agent_vcr_nb import step\n"
        "@step\ndef first(s): return s\n@step\ndef dies(s): os.kill(os.getpid(), signal.SIGTERM)\ndies(first({}))\n"
    )
    assert run_vcr("record", "-s", "run", "--", "python", "app.py").returncode == -15
    assert re.search(r"run +† killed +2 ", run_vcr("ls").stdout)


def test_the_steps_of_a_thread_that_outlives_the_main_one_are_recorded(in_tmp):
    Path("app.py").write_text(
        "import threading\nfrom agent_vcr_nb import step\n"
        "@step\ndef first(s): return s\n@step\ndef late(s): return s\n"
        "def work(): go.wait(); late({})\n"
        "go = threading.Event()\nfirst({})\nthreading.Thread(target=work).start()\n"
        "threading.Timer(0.2, go.set).start()\n"
    )
    assert run_vcr("record", "-s", "run", "--", "python", "app.py").stderr == "recorded run: 2 frames\n"


def test_a_program_reads_its_own_input(in_tmp):
    Path("app.py").write_text("print('got', input())")
    assert run_vcr("record", "--", "python", "app.py", input="hello\n").stdout == "got hello\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f(:", "SyntaxError: invalid syntax (agent.py, line 1)"),
        ("import nothing_of_the_kind", "No module named 'nothing_of_the_kind'"),
        ("1 / 0", "ZeroDivisionError: division by zero ("),
        ("import sys; sys.exit(0)", "it ends the program (sys.exit(0)); put that below if __name__ == '__main__'"),
    ],
)
def test_an_agent_that_cannot_be_imported_is_said_with_its_place(hostile, code, said):
    Path("agent.py").write_text(code)
    for agent in ("agent:run", "agent.py:run"):
        done = run_vcr("resume", "hostile", "1", "--agent", agent)
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (3, True, False), done.stderr


def test_a_place_that_is_not_there_is_told_by_the_last_one_that_is(hostile, vcr):
    with VCRRecorder() as recorder:
        recorder.start_session("deep")
        recorder.record_step("one", {"list": [{"role": "user"}], "n": 1}, {})
    for path, said in (
        ("/list/3", "/list is a list of 1 item"),
        ("/list/0/rol", "/list/0 has: role"),
        ("/n/x", "/n is 1"),
        ("nope", "the input state has: list, n"),
    ):
        assert vcr("state", "deep", "0", "--path", path)[2].endswith(f"{said}\n")
