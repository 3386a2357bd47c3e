"""The storm: a real fleet, faults drawn from a seed, and an oracle that knows what must have happened. `make chaos`."""
