"""The HTTP service. `app.main.create_app` builds it; `app.cli` starts it."""
