-- Give up the claims of jobs that have ended and claim the next jobs, in one step: by priority, then due time, then
-- arrival, within the limits.
--
-- A worker may pass on slots: jobs whose code has ended while their end is still being recorded. Such a slot is passed to
-- a job claimed in this very call, or not at all: so a worker can start the next job in the write that ends the last,
-- and yet the database never shows more running than the limit.
--
-- Keys:      QUEUE<kind> and BODY<job>, taken from; OWNERS, LEASES and ENDING, written and taken from; RUNNING, counted;
--            PARKED, both ways; STARTS<kind> and WAKE<kind>, written; LIMITS and KINDS, read.
-- Arguments: worker; number of its first new claim; lease in ms; how many jobs it wants; how many kinds it runs; those
--            kinds; how many slots it passes on; a job and its token for each of those; then for each ended one.
-- Reply:     now in µs; 1 if Redis was emptied, else 0; how many more may be claimed; in how many ms a rate allows more
--            (-1: none forbids); how many run at most; how many slots were passed on, the first of those given; the
--            generation of this Redis; then for each claimed job: id, token, body (or false).

local worker, first_number, lease_ms, max_count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kind_count = tonumber(ARGV[5])

local passing_at = 7 + kind_count
local passing_count = tonumber(ARGV[passing_at - 1])

release(passing_at + 2 * passing_count, #ARGV)

local limits = read_limits()
if not limits.concurrency then return {now_us, 1, 0, -1, 0, 0, 0} end
local room = room_in_all(limits)

local passing = {}
if limits.paused ~= '1' then
  for i = passing_at, passing_at + 2 * passing_count - 1, 2 do
    if redis.call('HGET', OWNERS, ARGV[i]) == ARGV[i + 1] then
      passing[#passing + 1] = ARGV[i]
    end
  end
end
local reply = {now_us, 0, 0, -1, tonumber(limits.concurrency), 0, tonumber(limits.generation or 0)}

-- the candidates of each kind, as many as could be taken of it
local lists = {}
local most = math.min(max_count, room + #passing)
if most > 0 then
  for k = 6, 5 + kind_count do
    local kind = ARGV[k]
    local free = redis.call('EXISTS', QUEUE .. kind) == 1 and room_in_kind(limits, kind, most) or 0
    local found = free > 0 and redis.call('ZRANGE', QUEUE .. kind, 0, free - 1, 'WITHSCORES') or {}
    local candidates = {}
    for i = 1, #found, 2 do candidates[#candidates + 1] = found[i] end
    local owners = #candidates > 0 and redis.call('HMGET', OWNERS, unpack(candidates)) or {}
    local list = {kind = kind, at = 1, taken = {}}
    for i, id in ipairs(candidates) do
      if owners[i] then
        redis.call('HSET', PARKED, id, kind .. '|' .. found[2 * i])
        redis.call('ZREM', QUEUE .. kind, id)
      else
        list[#list + 1] = {id = id, score = tonumber(found[2 * i])}
      end
    end
    if #list > 0 then lists[#lists + 1] = list end
  end
end

local ids, leases, owners, bodies, tokens = {}, {}, {}, {}, {}
while #ids < most do
  local best
  for _, list in ipairs(lists) do
    local head = list[list.at]
    if head and (not best or head.score < best[best.at].score
        or (head.score == best[best.at].score and head.id < best[best.at].id)) then
      best = list
    end
  end
  if not best then break end
  local id = best[best.at].id
  local token = best.kind .. '|' .. worker .. '|' .. (first_number + #ids)
  best.at = best.at + 1
  best.taken[#best.taken + 1] = id
  ids[#ids + 1], tokens[#tokens + 1], bodies[#bodies + 1] = id, token, BODY .. id
  leases[#leases + 1], leases[#leases + 2] = now_ms + lease_ms, id
  owners[#owners + 1], owners[#owners + 2] = id, token
end

-- the slots that are passed on: those that what was claimed needs beyond the room there was
local passed = #ids > 0 and math.max(0, #ids - room) or 0
for i = 1, passed do
  redis.call('HSET', ENDING, passing[i], redis.call('HGET', OWNERS, passing[i]))
  redis.call('HDEL', OWNERS, passing[i])
end

if #ids > 0 then
  redis.call('ZADD', LEASES, unpack(leases))
  redis.call('HSET', OWNERS, unpack(owners))
  for _, list in ipairs(lists) do
    local taken = #list.taken
    if taken > 0 then
      redis.call('ZREM', QUEUE .. list.kind, unpack(list.taken))
      redis.call('HINCRBY', RUNNING, list.kind, taken)
      if limits['rate:' .. list.kind] then
        for _ = 1, taken do redis.call('LPUSH', STARTS .. list.kind, now_ms) end
      end
    end
  end
  local found = redis.call('MGET', unpack(bodies))
  redis.call('UNLINK', unpack(bodies))
  for i, id in ipairs(ids) do
    reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = id, tokens[i], found[i]
  end
end

reply[6] = passed
reply[3] = room + passed - #ids
reply[4] = wake_idle(limits, reply[3]) or -1
return reply
