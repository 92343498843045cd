"""From decisions on frames to events: alarm rules and the state of the alarm."""
