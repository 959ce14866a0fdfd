-- What has fallen due: scheduled names whose time has come, and claims whose lease is over. Whoever gets one has a while
-- to deal with it; if it does not, the next to call gets it.
--
-- A lease that is found to be over gets a last call first, and its claim is given only if it is over again: nobody could
-- renew while Redis was away, and those who live do so within the call. Ends of leases are whole milliseconds; a half
-- marks that the last call was given, and renewing removes it.
--
-- Keys:      SCHEDULED and LEASES, moved on; OWNERS and ENDING, read.
-- Arguments: how many at most; that while in ms; the last call in ms.
-- Reply:     now in µs; when the next thing falls due, ms (-1: nothing is known to); how many scheduled names follow;
--            those names; then for each claim that is lost: job, token (or empty: nobody holds it).

local CALLED = 0.5

local most, while_ms, call_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local names = redis.call('ZRANGE', SCHEDULED, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, most)
local over = redis.call('ZRANGE', LEASES, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
local reply = {now_us, -1, #names}
for _, name in ipairs(names) do
  redis.call('ZADD', SCHEDULED, now_ms + while_ms, name)
  reply[#reply + 1] = name
end
for i = 1, #over, 2 do
  local id, token = over[i], token_of(over[i])
  if token and tonumber(over[i + 1]) % 1 ~= CALLED then
    redis.call('ZADD', LEASES, now_ms + call_ms + CALLED, id)
  else
    if token then redis.call('ZADD', LEASES, now_ms + while_ms + CALLED, id) else redis.call('ZREM', LEASES, id) end
    reply[#reply + 1], reply[#reply + 2] = id, token or ''
  end
end
for _, key in ipairs({SCHEDULED, LEASES}) do
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if #head > 0 and (reply[2] < 0 or tonumber(head[2]) < reply[2]) then reply[2] = tonumber(head[2]) end
end
return reply
