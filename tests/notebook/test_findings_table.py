"""The findings in the notebook; what the page does with them is in tests/browser/test_views.py."""

import pytest

from agent_vcr_nb import VCRPlayer, VCRRecorder
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.notebook.findings_table import FindingsTable, frames_that_checked
from agent_vcr_nb.notebook.found import scan
from sentinel.guardian import Sentinel

SWALLOWED = "def load():\n    try:\n        return open('x').read()\n    except Exception:\n        pass\n"


def finding(**changes):
    """A finding as Sentinel documents its fields."""
    plain = {
        "rule": "too-complex",
        "code": "C901",
        "severity": "warning",
        "message": "split it",
        "path": "app.py",
        "line": 3,
        "end_line": 9,
        "symbol": "main",
        "body_hash": "0",
        "value": 12.0,
        "limit": 10.0,
        "cell": None,
        "related": None,
        "key": "k1",
    }
    return {**plain, **changes}


def test_what_sentinel_finds_can_be_shown(in_tmp):
    (in_tmp / "app.py").write_text(SWALLOWED)
    found = Sentinel(root=in_tmp).scan()
    table = FindingsTable([item.to_dict() for item in found])
    assert [(row["path"], row["symbol"], row["frame"]) for row in table.findings] == [("app.py", "load", None)]


def test_a_click_sets_what_is_selected(in_tmp):
    table = FindingsTable([finding(), finding(key="k2", line=20)])
    assert table.selected is None
    table.set_state({"selected": table.findings[1]})
    assert table.selected["line"] == 20


def test_a_finding_knows_the_frame_that_wrote_its_file():
    table = FindingsTable([finding(), finding(path="b.py"), finding(frame=1)], frames={"app.py": 7})
    assert [row["frame"] for row in table.findings] == [7, None, 1]


def test_the_frame_that_wrote_a_file_is_the_step_that_its_check_ran_inside(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        sentinel = Sentinel(recorder, root=in_tmp)
        recorder.record_step("plan", {}, {})
        writing = recorder.record_step("write_file", {}, {})
        sentinel.check_file("a.py", SWALLOWED)
        recorder.record_step("sentinel", {"path": "b.py"}, {}, parent_frame_id=writing.frame_id)
    assert frames_that_checked(VCRPlayer.load_by_id("run")) == {"a.py": 2, "b.py": 1}


def test_a_frame_is_found_where_a_scan_begins_at_another_folder_than_the_check(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        (in_tmp / "code").mkdir()
        Sentinel(recorder, root=in_tmp / "code").check_file("a.py", SWALLOWED)
    (in_tmp / "pyproject.toml").touch()
    (in_tmp / "code" / "a.py").write_text(SWALLOWED)
    found = scan("code")
    frames = frames_that_checked(VCRPlayer.load_by_id("run"), found.root)
    assert frames == {"code/a.py": 0} == {item.path: 0 for item in found.findings}


def test_jumping_to_a_frame_twice_is_told_twice():
    table = FindingsTable([finding(frame=7)])
    told = []
    table.on_jump = told.append
    for _ in range(2):
        table._handle_custom_msg({"kind": "jump", "frame": 7}, [])
    assert (table.frame, told) == (7, [7, 7])


def test_other_findings_are_shown_in_the_same_table():
    table = FindingsTable([finding()])
    table.selected, table.frame = table.findings[0], 3
    table.load([finding(path="b.py")])
    assert [row["path"] for row in table.findings] == ["b.py"]
    assert (table.selected, table.frame) == (None, None)


def test_a_dict_that_is_no_finding_is_refused_by_what_it_lacks():
    with pytest.raises(UsageError, match="lacks rule, key"):
        FindingsTable([{name: value for name, value in finding().items() if name not in ("rule", "key")}])


def test_control_and_direction_characters_do_not_reach_the_page():
    table = FindingsTable([finding(message="a\u202eb\0c", path="x\ny.py")])
    assert (table.findings[0]["message"], table.findings[0]["path"]) == ("a�b�c", "x y.py")


def test_the_forms_without_a_widget_hold_the_worst_first_as_text_only():
    html, text = FindingsTable(
        [finding(), finding(severity="critical", message="<script>x</script>", path="z.py")]
    ).saved()
    assert text.splitlines() == [
        "2 findings",
        "critical  too-complex  z.py:3  main  <script>x</script>",
        "warning  too-complex  app.py:3  main  split it",
    ]
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert "<script" not in html


def test_of_many_findings_the_form_without_a_widget_holds_100_and_counts_the_rest():
    html, text = FindingsTable([finding(line=number) for number in range(130)]).saved()
    assert html.count("<tr>") == 100
    assert "and 30 more" in text
