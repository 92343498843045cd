"""What stays of an inspection: event log, pictures and clips."""
