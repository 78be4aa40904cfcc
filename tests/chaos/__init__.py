"""A harness that tries to break the service's promises: real processes, seeded faults, and a checker that judges.

`python3 run.py chaos --seconds 120 --seed N` runs it; `docs/guarantees.md` says what it has found. It sees the
service as its users and operators do: HTTP, tables, processes, and what the handlers themselves wrote down.
"""
