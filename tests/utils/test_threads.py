"""Work on several threads: in the items' order, a bounded number ahead, with the errors at their turns."""

import time

import pytest

from fer_lib.utils import threads
from fer_lib.utils.threads import in_order


@pytest.fixture(params=[1, 3])
def several(request, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: request.param)
    return request.param


def test_results_come_in_the_items_order(several):
    def slow_at_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number**2

    assert list(in_order(slow_at_first, range(20))) == [number**2 for number in range(20)]
    assert list(in_order(slow_at_first, [])) == []


def test_no_more_is_read_than_theseveral_need(several):
    read = []
    results = in_order(lambda number: number, (read.append(number) or number for number in range(100)))
    for expected in range(5):
        assert next(results) == expected
    assert len(read) <= 5 + several
    results.close()


def test_an_error_comes_at_its_item_s_turn(several):
    results = in_order(lambda number: 1 // (number - 2), range(5))
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_error_of_the_items_is_raised(several):
    def items():
        yield 1
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        list(in_order(lambda item: item, items()))
