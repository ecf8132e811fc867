"""The index between processes."""

from sentinel import Config, Sentinel, store
from tests.sentinel.conftest import ORIGINAL


def test_the_stored_index_finds_the_same_and_knows_old_debt(project):
    first = Sentinel(root=project, config=Config())
    first.index()
    first.store_index()
    second = Sentinel(root=project, config=Config())
    assert second.load_index()
    (project / "copy.py").write_text(ORIGINAL)
    result = second.check_file("copy.py")
    assert result.findings == first.check_file("copy.py").findings
    assert [item.rule for item in result.findings] == ["duplicate-function"]
    assert second.check_file("debt.py").caused == ()
    assert Sentinel(root=project, config=Config(max_returns=1)).load_index() is False


def test_a_torn_index_is_built_anew(project):
    first = Sentinel(root=project, config=Config())
    first.index()
    first.store_index()
    file = store.index_file(first.project)
    whole = file.read_bytes()
    for cut in (0, 10, 60, 200, len(whole) - 1):
        file.write_bytes(whole[:cut])
        assert Sentinel(root=project, config=Config()).load_index() is False
