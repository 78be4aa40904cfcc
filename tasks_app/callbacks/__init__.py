"""What somebody is told when a task has ended: where, by which task of the store, and what became of that."""
