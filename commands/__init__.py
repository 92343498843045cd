"""The commands: a module for each, with its flags and what it prints.

`add_arguments(parser)` imports nothing heavy; `run(arguments)` imports what the command
needs.
"""
