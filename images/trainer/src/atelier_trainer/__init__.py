"""What a trial runs: space, data, network, training, export."""

import os

# Threads that wait for each other give the core away after a short spin (libgomp reads this when torch is imported). Its own default spins
# for a whole time slice, so that one busy neighbour, or a container's CPU quota, makes an epoch on two threads ten times as long.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
