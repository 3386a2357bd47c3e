"""What a job, a run and a decision are. Pure: no I/O and no clock."""
