"""What a thread prints is kept apart from what others print."""

import sys
import threading

from agent_vcr_nb.notebook.printed import CHARACTERS, Printed, keeping


def test_each_thread_keeps_its_own_and_the_page_gets_the_rest(capsys):
    kept = [Printed(), Printed()]
    together = threading.Barrier(3)

    def work(number):
        with keeping(kept[number]):
            together.wait(10)
            print("thread", number)
            print("trouble", file=sys.stderr)
            together.wait(10)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    together.wait(10)
    print("the page")
    together.wait(10)
    for thread in threads:
        thread.join()
    assert [printed.text() for printed in kept] == ["thread 0\ntrouble\n", "thread 1\ntrouble\n"]
    assert capsys.readouterr().out == "the page\n"


def test_the_end_of_much_text_is_kept_with_a_count_of_the_rest():
    printed = Printed()
    for _ in range(1_000):
        printed.write("x" * 99 + "\n")
    first, *lines = printed.text().split("\n")
    assert first == f"… {100_000 - CHARACTERS:,} characters before this"
    assert len("\n".join(lines)) == CHARACTERS


def test_a_progress_bar_shows_its_last_state_without_colours():
    printed = Printed()
    printed.write("\x1b[32m 10 %\r 50 %\r100 %\x1b[0m\nnext\r\n")
    assert printed.text() == "100 %\nnext\n"
