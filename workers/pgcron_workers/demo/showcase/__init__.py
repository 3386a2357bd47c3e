"""`pgcron demo --showcase`: an installation as it looks after three months, with sixty jobs of a shop and what became of their runs.

samples.py says what the jobs are like, app.py declares them and does their work from now on, history.py writes the past of each,
story.py what people did meanwhile.
"""
