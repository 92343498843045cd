"""The commands: a module for each, with its flags and what it prints.

`add_arguments(parser)` needs nothing heavy; `run(arguments)` imports what does the
work.
"""
