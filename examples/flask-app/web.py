"""The app's pages."""

from flask import Flask, Response, jsonify

from backends import Backends
from health import DEADLINE, HealthChecks


def create_app(backends: Backends, deadline: float = DEADLINE) -> Flask:
    app = Flask(__name__)
    checks = HealthChecks(backends.by_name(), deadline)

    @app.get("/")
    def home() -> Response:
        return jsonify(database=backends.sql.name(), visits=backends.redis.count_visit())

    @app.get("/health/live")
    def live() -> Response:
        """For App Service's health check: a backend's fault is no reason to replace this instance."""
        return jsonify(status="ok")

    @app.get("/health/dependencies")
    def dependencies() -> Response:
        """200 when every backend is reached by a private address, else 503 with the same body."""
        results = checks.run()
        healthy = not any(result.error for result in results.values())
        answer = jsonify(
            status="ok" if healthy else "failed",
            dependencies={name: result.as_json() for name, result in results.items()},
        )
        answer.status_code = 200 if healthy else 503
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return app
