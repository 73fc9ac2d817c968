"""What every test process needs."""

import signal

# a shell that runs the tests in its background has them ignore interrupts, and so would all they start
signal.signal(signal.SIGINT, signal.default_int_handler)
