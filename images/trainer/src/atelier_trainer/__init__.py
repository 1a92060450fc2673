"""The trial program: network, training, export."""

import os

# Threads that wait for each other yield the core after a short spin. libgomp's default is to spin for a whole time
# slice: one busy neighbour, or a container's CPU quota, then makes an epoch on two threads ten times as long.
# libgomp reads this when torch is imported, and not only the program imports torch: the laptop engine's fork server
# preloads atelier_trainer.run, before any trial's main(). The package is the one place that both run first.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
