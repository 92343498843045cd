"""The base of all other packages: commands, files, web servers, the machine."""
