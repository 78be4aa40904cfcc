"""gunicorn's worker for this service: no client, however slow, holds a thread.

`arrival` knows when a request has come whole, `wire` keeps what a client has not read yet, `refusals` are the answers
that are given before Django is asked, `answering` and `worker` tie them to gunicorn's loop.
"""
