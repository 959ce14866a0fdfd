"""Text for the clipboard of the person's browser, and whether it arrived there.

Browsers have ``navigator.clipboard`` over HTTPS and on localhost only. Where it is missing or refuses, the text is
selected in a field that nobody sees and copied as a person would. The browser reports whether it worked.
"""

from reflex_base.event import EventSpec

from jobs_app.live.effects import call, literal, trigger
from jobs_app.live.notify import OwnNotifications

# the field stands beside what has the focus: an open dialog takes the focus away from what is outside of it
_COPY = """async text => {
  try { await navigator.clipboard.writeText(text); return true; } catch {}
  const before = document.activeElement, field = document.createElement('textarea');
  Object.assign(field, {value: text, readOnly: true});
  Object.assign(field.style, {position: 'fixed', opacity: 0});
  (before?.parentElement ?? document.body).append(field);
  field.focus({preventScroll: true});
  field.select();
  try { return document.execCommand('copy'); } finally { field.remove(); before?.focus({preventScroll: true}); }
}"""


def copy(text: str, message: str = "Copied.") -> EventSpec:
    """Put ``text`` on the clipboard, then show ``message``, or that it could not be done."""
    return call(_COPY, text, callback=lambda done: trigger(OwnNotifications.copied, done, literal(message)))
