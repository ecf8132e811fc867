import threading

from agent_vcr_nb.notebook.later import Later


def test_many_occasions_are_one_piece_of_work():
    done = []
    later = Later(lambda: done.append(1), lambda error: None, seconds=3600)
    for _ in range(5):
        later.ask()
    later.now()
    later.now()
    assert done == [1]


def test_the_work_is_done_when_the_time_has_passed():
    done = threading.Event()
    Later(done.set, lambda error: None, seconds=0.001).ask()
    assert done.wait(10)


def test_an_error_is_told():
    told = []
    later = Later(lambda: 1 / 0, told.append, seconds=3600)
    later.ask()
    later.now()
    assert [type(error) for error in told] == [ZeroDivisionError]
