"""From a finished run to data that inspects without Keras: export, bundle, runtime."""
