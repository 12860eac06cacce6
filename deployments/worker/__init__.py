"""A Prefect worker that runs many flow runs in one process, a thread each."""
