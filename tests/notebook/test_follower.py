import threading

from agent_vcr_nb.notebook.follower import Follower


def test_it_looks_until_it_is_stopped():
    third = threading.Event()
    looks = []

    def look():
        looks.append(1)
        if len(looks) == 3:
            third.set()
        return 1

    follower = Follower(look, lambda error: None)
    follower.start()
    assert third.wait(10)
    follower.stop()
    assert not follower.running


def test_starting_twice_starts_one_thread():
    threads = set()
    looked = threading.Event()

    def look():
        threads.add(threading.get_ident())
        looked.set()
        return 0

    follower = Follower(look, lambda error: None)
    follower.start()
    follower.start()
    assert looked.wait(10)
    follower.stop()
    assert len(threads) == 1


def test_an_error_ends_the_following_and_is_told():
    told = []
    ended = threading.Event()

    def look():
        raise OSError("the file is gone")

    def explain(error):
        told.append(str(error))
        ended.set()

    follower = Follower(look, explain)
    follower.start()
    assert ended.wait(10)
    follower.stop()
    assert told == ["the file is gone"]
