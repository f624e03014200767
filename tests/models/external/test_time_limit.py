"""Code of others that hangs is ended, and named, where a limit is set."""

import signal
import threading
import time

import pytest

from fakemamba.interrupts import as_exceptions
from fakemamba.models.external.names import ExternalDetectorError, load_code
from fakemamba.models.external.time_limit import at_most, in_time
from fakemamba.models.registry import create_detector

HANG = "import time\nwhile True:\n    time.sleep(0.01)\n"


def test_an_import_that_hangs_is_ended_and_named(code):
    name = code(HANG)
    with at_most(0.1, "ask for more"), pytest.raises(ExternalDetectorError) as caught:
        load_code(f"{name}:it")
    assert str(caught.value) == (f"{name}:it took longer than 0.1 s to be imported; ask for more")


def test_making_and_the_first_scores_are_ended_too(code):
    name = code(
        """
        import time
        def make(): time.sleep(9)
        def detector(waveforms):
            try:
                time.sleep(9)
            except Exception:
                return waveforms.mean(1)
        """
    )
    with at_most(0.1, "ask for more"):
        with pytest.raises(ExternalDetectorError, match=r"longer than 0.1 s to be made; ask"):
            create_detector(f"{name}:make")
        detector = create_detector(f"{name}:detector").eval()
        began_s = time.monotonic()
        for _ in range(2):  # the second time it is known
            with pytest.raises(ExternalDetectorError, match=r"0.1 s to score noise of a second"):
                detector.inspected(detector.device)
        assert time.monotonic() - began_s < 1


def test_what_is_in_time_leaves_no_alarm(code):
    before = signal.getsignal(signal.SIGALRM)
    with at_most(5, ""), in_time("it", "to be made", ValueError):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        with in_time("another", "to be made", ValueError):
            pass
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 5  # the outer one's goes on
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_nothing_is_limited_where_no_limit_is_set_or_in_another_thread():
    with in_time("it", "to be made", ValueError):
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    found = []

    def elsewhere():
        with in_time("it", "to be made", ValueError):
            found.append(signal.getitimer(signal.ITIMER_REAL))

    with at_most(5, ""):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert found == [(0, 0)]


def test_an_alarm_of_an_interrupt_is_passed_on():
    limit = in_time("it", "to be made", ValueError)
    with as_exceptions(), at_most(5, ""), pytest.raises(KeyboardInterrupt), limit:
        signal.raise_signal(signal.SIGALRM)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_limit_is_a_number_of_seconds(seconds):
    with pytest.raises(ValueError, match="give seconds"), at_most(seconds, ""):
        pass
