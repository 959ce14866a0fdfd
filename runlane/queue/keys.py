"""The names of all that is kept in Redis: the one place where a key is spelled, for Python and for the Lua scripts.

Each name has its type and its meaning above it. Names that end in a colon are followed by what is in angle brackets.
All of it can be rebuilt from SQL. Scripts are given every name by ``as_lua`` when they are loaded, and do not take them
as KEYS, which only a Redis Cluster would ask for; a Cluster is refused at start.
"""

# What may run

# hash: concurrency; paused; for a kind: max:<kind>, paused:<kind>, rate:<kind> as "count/ms"; generation, the
# number that claims carry. Missing means that Redis was emptied: nothing is claimed before a worker has rebuilt it.
LIMITS = "runlane:limits"
# string: how often limits were set; shows a rebuild under way that they have changed
LIMITS_CHANGES = "runlane:limits:changes"
# list, of a kind with a rate: when its jobs were claimed, newest first, ms
STARTS = "runlane:starts:"  # <kind>

# What waits

# set: the kinds that have ever waited
KINDS = "runlane:kinds"
# zset: waiting jobs; the lowest score goes first
QUEUE = "runlane:queue:"  # <kind>
# zset: one marker, a job of this kind may be claimed; idle workers wait for it
WAKE = "runlane:wake:"  # <kind>
# zset: name -> when it is due, ms; a job's id, or a reminder of a schedule
SCHEDULED = "runlane:scheduled"
# hash: job -> "<kind>|<score>"; it waits until the claim of an earlier attempt is given up
PARKED = "runlane:parked"
# string: a waiting job as arq's worker reads it, JSON; the name is arq's
BODY = "arq:job:"  # <job>

# What is claimed

# zset: claimed job -> when its lease ends, ms
LEASES = "runlane:leases"
# hash: claimed job -> token "<kind>|<worker>|<number>"; as many as slots are taken
OWNERS = "runlane:owners"
# hash: the same for jobs whose code has ended and whose end is being recorded; they take no slot
ENDING = "runlane:ending"
# hash: kind -> how many of the claimed jobs, those that are ending too, are of it
RUNNING = "runlane:running"

# The workers

# hash: worker -> how it last described itself, JSON
WORKERS = "runlane:workers"
# hash: worker -> the last command to it, in case it missed that on the channel
WORKER_COMMANDS = "runlane:workers:commands"
# string, ends by itself: which worker compares SQL with Redis this time
RECONCILER = "runlane:reconciler"
# string, ends by itself: the same, for going through all that waits
RECONCILER_THOROUGH = "runlane:reconciler:thorough"

# Channels, on which nothing is kept

# commands to workers, JSON of ``Command``
COMMANDS = "runlane:commands"
# changes of jobs, for all listeners; JSON, see ``runlane.queue.change_feed``
CHANGES = "runlane:changes"
# that kinds were registered or removed; the message is empty
KINDS_CHANGED = "runlane:kinds:changed"
# messages that measure how long a message takes
ROUND_TRIP = "runlane:round-trip"


def names() -> dict[str, str]:
    """Every name, by the constant of this module that holds it."""
    return {constant: name for constant, name in globals().items() if constant.isupper()}


def as_lua() -> str:
    """Lua that gives a script the constants of this module; put before each."""
    return "".join(f"local {constant} = '{name}'\n" for constant, name in names().items())
