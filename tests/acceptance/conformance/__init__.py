"""The live service held to its own document by Schemathesis: its hooks, and data that rules beyond JSON Schema take."""
