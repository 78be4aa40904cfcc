"""The Django app that the harness adds to the service: operations that write down each of their runs."""
