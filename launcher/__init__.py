"""What `run.py` does, with the standard library only: it runs before anything is installed.

`environment` installs, `processes` names the processes, `supervisor` keeps them running, `cli` ties them
together.
The modules `first_admin` and `services` are the exception: they run inside `.venv`.
"""
