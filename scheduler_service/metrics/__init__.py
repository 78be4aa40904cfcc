"""What the service counts, for Prometheus: kept per process in files of one folder, added up when somebody asks.

`catalog` says what there is, `counts` is what the code that does the work calls, `book` and `shelf` are the files,
`exposition` makes the text, `gauges` asks the database. Nothing here is imported by importing the package.
"""
