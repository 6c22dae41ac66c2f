"""Unique base names."""

from __future__ import annotations

import os
import re
import threading

from mailbox_d.store.unique import UniqueNames


def test_a_name_tells_time_process_host_and_sizes() -> None:
    name = UniqueNames(clock=lambda: 1_700_000_000.000_042, host="mail.example").sized(10, 12)
    assert re.fullmatch(rb"1700000000\.M42P%dQ1R[0-9a-f]{8}\.mail\.example,S=10,W=12" % os.getpid(), name)


def test_a_host_s_name_cannot_break_the_grammar() -> None:
    assert UniqueNames(host="a/b:c,d\n").bare().endswith(b".a_b_c_d_")


def test_fault_16_ten_thousand_in_one_instant_from_many_threads_differ() -> None:
    unique = UniqueNames(clock=lambda: 1.0)
    names: list[bytes] = []
    threads = [threading.Thread(target=lambda: names.extend(unique.bare() for _ in range(1250))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 10_000


def test_fault_15_a_clock_that_steps_back_repeats_no_name() -> None:
    times = iter([5.0, 6.0, 5.0, 6.0, -10.0, 5.0])
    unique = UniqueNames(clock=lambda: next(times))
    names = [unique.bare() for _ in range(6)]
    assert len(set(names)) == 6


def test_fault_16_processes_that_share_a_number_differ() -> None:
    first, second = (UniqueNames(clock=lambda: 1.0, host="h").bare() for _ in range(2))
    assert first != second


def test_a_forked_child_has_names_of_its_own() -> None:
    unique = UniqueNames(clock=lambda: 1.0)
    unique.bare()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, unique.bare())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    theirs = os.read(reading, 200)
    os.close(reading)
    ours = unique.bare()
    assert theirs.split(b"R")[1] != ours.split(b"R")[1]
