"""Live events: what changes in the database, told to open streams.

    listener.py    the one LISTEN connection of the process: hints that a definition changed
    hub.py         rounds: what any stream wants to know is read once, made into bytes once, and given to all who want it
    topics.py      what a stream may ask for
    subjects.py    what a round reads: fleet, workers, alerts, single jobs and runs
    feeds.py       what changed among all jobs and all runs
    output.py      the lines of a run
    stream.py      one open stream: its backlog, its heartbeat, its end

Nobody who runs jobs notifies anybody: changes of runs are found by looking, twice a second, and only while somebody watches.
"""
