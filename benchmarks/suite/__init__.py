"""The benchmarks of pgcron_py and its peers: `make bench`, `make bench PEERS=1`."""
