"""Rules, the alerts they gave, and the messages that report those, in SQL.

An alert and the message about it are one transaction. A rule has at most one open alert for a cause: the database holds
to that, however many servers evaluate it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from runlane.addresses import shown
from runlane.alerts.records import Alert, Answer, Delivery, Rule, Turn, messages, test_alert
from runlane.alerts.webhooks import new_secret
from runlane.audit import acting, changed, check_version, note
from runlane.clock import utc_now
from runlane.db.database import Database
from runlane.db.tables import AlertRuleTable, AlertTable, DeliveryTable
from runlane.errors import NameTaken, RuleNotFound

rule_table = AlertRuleTable.__table__  # type: ignore[attr-defined]
alert_table = AlertTable.__table__  # type: ignore[attr-defined]
delivery_table = DeliveryTable.__table__  # type: ignore[attr-defined]

# how long after each message that did not arrive it is sent again; after the last it is given up
AGAIN_AFTER = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 3600))
# a message that is being sent is left alone for so long
SENDING = timedelta(seconds=30)
SETTABLE = ("name", "condition", "threshold", "kind", "webhook_url", "paused")


class AlertStore:
    """All of it, in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # Rules

    async def rules(self) -> list[Rule]:
        """Every rule, by name."""
        query = select(rule_table).order_by(rule_table.c.name)
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return [Rule.model_validate(dict(row)) for row in rows]

    async def rule(self, rule_id: UUID) -> Rule:
        """Raises ``RuleNotFound``."""
        return await self._db.read(lambda db: _rule(db, rule_id))

    async def insert(self, values: Mapping[str, Any]) -> Rule:
        """The new rule, with a secret of its own. Raises ``NameTaken``."""
        who = acting()
        row = {"id": uuid7(), "secret": new_secret(), "created_at": utc_now(), "version": 1, **values}

        def work(db: Connection) -> None:
            db.execute(insert(rule_table).values(row))
            note(db, who, "create", "alert rule", [row["name"]], None, dict(values))

        try:
            await self._db.write(work)
        except IntegrityError as exc:
            raise NameTaken(str(row["name"]), "rule") from exc
        return Rule.model_validate(row)

    async def change(
        self, rule_id: UUID, values: Mapping[str, Any], version: int | None = None
    ) -> tuple[Rule, list[Alert]]:
        """The changed rule, and the alerts that this ends, because it is paused or has another condition.

        Raises:
            RuleNotFound, NameTaken: as ``rule`` and ``insert``.
            Conflict: it is not at ``version`` any more.
        """
        who, now = acting(), utc_now()

        def work(db: Connection) -> tuple[Rule, list[Alert]]:
            old = _rule(db, rule_id)
            present = _shown(old) | {"webhook_url": shown(old.webhook_url)}
            check_version(f"the rule {old.name!r}", version, old.version, present)
            statement = update(rule_table).where(rule_table.c.id == rule_id)
            db.execute(statement.values({**values, "version": old.version + 1}))
            new = _rule(db, rule_id)
            before, after = changed(_shown(old), _shown(new))
            if after:
                note(db, who, "change", "alert rule", [old.name], before, after)
            is_over = new.paused or after.keys() & {"condition", "kind"}
            return new, _clear(db, old, _open(db, old).values(), now) if is_over else []

        try:
            return await self._db.write(work, alone=True)
        except IntegrityError as exc:
            raise NameTaken(str(values.get("name")), "rule") from exc

    async def delete(self, rule_id: UUID) -> None:
        """Remove a rule with its alerts and messages. Raises ``RuleNotFound``."""
        who = acting()

        def work(db: Connection) -> None:
            old = _rule(db, rule_id)
            db.execute(delete(rule_table).where(rule_table.c.id == rule_id))
            note(db, who, "delete", "alert rule", [old.name], _shown(old))

        await self._db.write(work)

    # Alerts

    async def alerts(self, *, only_open: bool = False, limit: int = 50) -> list[Alert]:
        """The newest alerts first."""
        query = (
            select(alert_table, rule_table.c.name.label("rule"))
            .join(rule_table, rule_table.c.id == alert_table.c.rule_id)
            .order_by(alert_table.c.id.desc())
            .limit(limit)
        )
        if only_open:
            query = query.where(alert_table.c.cleared_at.is_(None))
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return [Alert.model_validate(dict(row)) for row in rows]

    async def turn(self, rule: Rule, causes: Mapping[str, str], now: datetime) -> Turn:
        """Open an alert for each cause (with its words) that has none, and close those whose cause no longer holds.

        Nothing, if the rule has been changed since it was read: the next evaluation is about the rule as it is now.
        """
        as_it_was = select(rule_table.c.id).where(rule_table.c.id == rule.id, rule_table.c.version == rule.version)

        def work(db: Connection) -> Turn:
            if db.execute(as_it_was.with_for_update()).first() is None:
                return Turn([], [])
            is_open = _open(db, rule)
            rows = [
                {"id": uuid7(), "rule_id": rule.id, "cause": cause, "text": text, "fired_at": now, "cleared_at": None}
                for cause, text in causes.items()
                if cause not in is_open
            ]
            if rows:
                db.execute(insert(alert_table), rows)
            fired = [Alert(rule=rule.name, **row) for row in rows]
            _enqueue(db, rule, "alert.fired", fired, now)
            return Turn(fired, _clear(db, rule, [is_open[cause] for cause in is_open if cause not in causes], now))

        if await self._db.read(lambda db: set(_open(db, rule))) == set(causes):
            return Turn([], [])
        try:
            return await self._db.write(work, alone=True)
        except IntegrityError:  # another server was first
            return Turn([], [])

    # Messages

    async def test(self, rule: Rule, now: datetime) -> Delivery:
        """A test message, which the caller sends: nobody else gets it for ``SENDING``."""
        taken = now + SENDING
        [delivery] = await self._db.write(
            lambda db: _enqueue(db, rule, "alert.test", [test_alert(rule, now)], now, due_at=taken)
        )
        return delivery

    async def deliveries(self, limit: int = 50) -> list[Delivery]:
        """The newest messages first."""
        query = select(delivery_table).order_by(delivery_table.c.id.desc()).limit(limit)
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return [Delivery.model_validate(dict(row)) for row in rows]

    async def take_due(self, now: datetime, not_to: Collection[str] = ()) -> tuple[Delivery, Rule] | None:
        """The first message that is to be sent now, with its rule; nobody else gets it for ``SENDING``.

        ``not_to``: receivers that are being sent one.
        """
        table = delivery_table.c
        is_due = (table.state == "waiting", table.next_at <= now, table.url.not_in(not_to))
        query = select(delivery_table).where(*is_due).order_by(table.id).limit(1)

        def work(db: Connection) -> tuple[Delivery, Rule] | None:
            row = db.execute(query.with_for_update(skip_locked=True)).mappings().first()
            if row is None:
                return None
            taken = update(delivery_table).where(table.id == row["id"]).values(next_at=now + SENDING)
            db.execute(taken)
            return Delivery.model_validate(dict(row)), _rule(db, row["rule_id"])

        if await self._db.read(lambda db: db.execute(query).first()) is None:
            return None
        return await self._db.write(work)

    async def save_outcome(self, delivery: Delivery, answer: Answer, now: datetime) -> Delivery:
        """The message with its outcome, and when it is sent again if it did not arrive.

        Raises:
            RuleNotFound: it was just deleted with its rule.
        """
        attempts = delivery.attempts + 1
        values: dict[str, Any] = {"attempts": attempts, "status": answer.status, "trouble": answer.trouble}
        if answer.arrived:
            values |= {"state": "sent", "next_at": None}
        elif answer.final or attempts > len(AGAIN_AFTER) or delivery.what == "alert.test":
            values |= {"state": "given up", "next_at": None}
        else:
            values["next_at"] = now + AGAIN_AFTER[attempts - 1]
        statement = update(delivery_table).where(delivery_table.c.id == delivery.id).values(values)
        returning = statement.returning(delivery_table)
        row = await self._db.write(lambda db: db.execute(returning).mappings().first())
        if row is None:
            raise RuleNotFound(delivery.rule_id)
        return Delivery.model_validate(dict(row))


def _rule(db: Connection, rule_id: UUID) -> Rule:
    row = db.execute(select(rule_table).where(rule_table.c.id == rule_id)).mappings().first()
    if row is None:
        raise RuleNotFound(rule_id)
    return Rule.model_validate(dict(row))


def _open(db: Connection, rule: Rule) -> dict[str, Alert]:
    """The rule's alerts whose causes hold, by cause."""
    is_open = (alert_table.c.rule_id == rule.id, alert_table.c.cleared_at.is_(None))
    rows = db.execute(select(alert_table).where(*is_open)).mappings()
    return {row["cause"]: Alert(rule=rule.name, **row) for row in rows}


def _clear(db: Connection, rule: Rule, alerts: Collection[Alert], now: datetime) -> list[Alert]:
    """Close these alerts and have a message sent about each; as they are now."""
    cleared = [alert.model_copy(update={"cleared_at": now}) for alert in alerts]
    are_these = alert_table.c.id.in_([alert.id for alert in cleared])
    db.execute(update(alert_table).where(are_these).values(cleared_at=now))
    _enqueue(db, rule, "alert.cleared", cleared, now)
    return cleared


def _shown(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in SETTABLE}


def _enqueue(
    db: Connection, rule: Rule, what: str, alerts: Sequence[Alert], now: datetime, due_at: datetime | None = None
) -> list[Delivery]:
    """Have a message sent about each of the alerts, now or at ``due_at``, if the rule names an address."""
    deliveries = messages(rule, what, alerts, now, due_at)
    if deliveries:
        db.execute(insert(delivery_table), [delivery.model_dump() for delivery in deliveries])
    return deliveries
