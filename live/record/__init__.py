"""The records of an inspection: event log, pictures and clips."""
