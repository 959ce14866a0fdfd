"""What the API answers: a job in JSON, and a problem."""

FIELDS = {
    *("id", "kind", "title", "params", "status", "progress", "message", "result", "error", "attempt", "max_attempts"),
    *("priority", "created_at", "scheduled_for", "queued_at", "started_at", "finished_at", "cancel_requested_at"),
    *("worker", "version"),
}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def assert_problem(reply, status, *fields):
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["status"] == status
    assert "Traceback" not in reply.text
    if fields:
        assert [error["field"] for error in body["errors"]] == list(fields)
        assert all(error["message"] for error in body["errors"])
