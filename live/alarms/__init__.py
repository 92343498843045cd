"""From verdicts to events: alarm rules and the state of the alarm."""
