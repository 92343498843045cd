"""The base that everything stands on: commands, files, the web, the machine."""
