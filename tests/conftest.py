"""What holds for all tests."""

import signal


def pytest_configure():
    # A shell's background job ignores Ctrl-C, and so would every process that the tests start to send it one.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
