// One believable day of a hall: tickets served first in, first out at counters that know some of the queues.
import { generator, percentile } from "./random.mjs";

const NAMES = ["李娜", "王芳", "张伟", "刘洋", "陈静", "杨帆", "赵敏", "黄磊", "周婷", "吴昊", "徐丽", "孙强", "朱琳", "马超", "胡雪", "郭峰", "何洁", "高翔", "林晓", "罗兰"];
const QUEUES = ["个人业务", "营业登记", "宽带办理", "缴费查询", "企业业务", "号码携转", "终端售后", "VIP 专席", "老年专席", "投诉受理", "国际漫游", "物联网卡", "发票打印", "合约办理", "实名补登", "预约取号"];
const LETTERS = "ABCDEFGHJKLMNPQR";
const HOUR = 3600;

export function makeDay({ seed = 7, queues: queueCount = 10, counters: counterCount = 12, opens = 8 * HOUR, closes = 17 * HOUR }) {
  const random = generator(seed);
  const queues = QUEUES.slice(0, queueCount).map((name, index) => ({ queue: LETTERS[index], name: `${LETTERS[index]} ${name}`, mean: random.between(180, 900) }));
  const counters = Array.from({ length: counterCount }, (_, index) => ({
    counter: String(index + 1),
    staff: { staff: String(2001 + index), name: NAMES[index % NAMES.length] },
    queues: queues.filter((_, number) => number % 3 === index % 3 || number === index % queueCount).map((queue) => queue.queue),
    state: index === counterCount - 1 ? "closed" : "open",
    pause: index === 3 ? { from: 10.2 * HOUR, to: 10.9 * HOUR, state: "break" } : index === 6 ? { from: 10.3 * HOUR, to: 11 * HOUR, state: "busy" } : null,
  }));

  const tickets = [];
  for (const [index, queue] of queues.entries()) {
    let number = 0;
    // The last queue stays empty, so that "nobody" and "unknown" can be seen beside figures.
    if (queueCount > 4 && index === queueCount - 1) continue;
    for (let at = opens + random.exponential(120); at < closes; at += random.exponential(queue.mean * (counterCount > 12 ? 0.74 : 0.9))) {
      number += 1;
      tickets.push({
        number: `${queue.queue}${String(number).padStart(3, "0")}`,
        queue: queue.queue,
        queue_name: queue.name,
        class: random.chance(0.05) ? "vip" : random.chance(0.04) ? "priority" : "ordinary",
        issued: at,
        patience: random.between(1500, 5000),
        flags: [],
      });
    }
  }
  tickets.sort((a, b) => a.issued - b.issued);
  serve(tickets, counters, random, opens);
  return { random, queues, counters, tickets, opens, closes };
}

function serve(tickets, counters, random, opens) {
  const waiting = new Set(tickets);
  const free = counters.filter((counter) => counter.state === "open").map((counter) => ({ counter, at: opens + random.between(0, 600) }));
  for (;;) {
    free.sort((a, b) => a.at - b.at);
    const next = free[0];
    if (!next || waiting.size === 0) return;
    const { counter } = next;
    if (counter.pause && next.at >= counter.pause.from && next.at < counter.pause.to) {
      next.at = counter.pause.to;
      continue;
    }
    let ticket = null;
    for (const candidate of waiting) {
      if (!counter.queues.includes(candidate.queue)) continue;
      ticket = candidate;
      break;
    }
    if (!ticket) {
      free.shift();
      continue;
    }
    const called = Math.max(next.at, ticket.issued + 5);
    waiting.delete(ticket);
    Object.assign(ticket, { called, counter: counter.counter, staff: counter.staff, calls: random.chance(0.1) ? 2 : 1 });
    if (random.chance(0.035)) {
      ticket.ended = called + 90;
      ticket.end = "no-show";
      ticket.calls = 3;
    } else {
      ticket.started = called + random.between(8, 40);
      ticket.ended = ticket.started + 40 + random.exponential(330);
      ticket.end = random.chance(0.01) ? "cancelled" : "finished";
      if (random.chance(0.25)) ticket.rating = random.pick([5, 5, 5, 5, 4, 4, 3, 5, 2, 1]);
    }
    if (random.chance(0.02)) ticket.flags.push(random.pick(["issue-missing", "start-missing", "after-end", "time-reversed"]));
    next.at = ticket.ended + random.between(4, 30);
  }
}

/** The ticket as it stands at `t` seconds of the day, or null when it has not been issued. */
export function ticketAt(ticket, t, stamp) {
  if (ticket.issued > t) return null;
  const happened = (moment) => (moment !== undefined && moment <= t ? moment : undefined);
  const called = happened(ticket.called);
  const started = happened(ticket.started);
  const ended = happened(ticket.ended);
  const state = ended !== undefined ? ticket.end : started !== undefined ? "serving" : called !== undefined ? "called" : "waiting";
  const unknownIssue = ticket.flags.includes("issue-missing") && called !== undefined;
  return {
    number: ticket.number,
    queue: ticket.queue,
    queue_name: ticket.queue_name,
    class: ticket.class,
    state,
    issued_at: unknownIssue ? null : stamp(ticket.issued),
    called_at: called === undefined ? null : stamp(called),
    started_at: started === undefined ? null : stamp(started),
    ended_at: ended === undefined ? null : stamp(ended),
    waiting_s: unknownIssue || started === undefined ? null : Math.floor(started - ticket.issued),
    handling_s: started === undefined || ended === undefined ? null : Math.floor(ended - started),
    counter: called === undefined ? null : ticket.counter,
    staff: called === undefined ? null : ticket.staff,
    rating: ended === undefined ? null : (ticket.rating ?? null),
    calls: called === undefined ? 0 : ticket.calls,
    flags: called === undefined ? [] : ticket.flags,
  };
}

export function floorAt(day, t, stamp, hall) {
  const tickets = day.tickets.map((ticket) => ticketAt(ticket, t, stamp)).filter(Boolean);
  const by = (state) => tickets.filter((ticket) => ticket.state === state);
  // Who is called has not been served: the wait ends with the beginning.
  const isWaiting = (ticket) => ticket.state === "waiting" || ticket.state === "called";
  const waiting = tickets.filter(isWaiting);
  const since = (ticket) => ticket.issued_at ?? ticket.called_at;
  const longest = (list) => list.reduce((best, ticket) => (best === null || since(ticket) < since(best) ? ticket : best), null);
  const waited = (ticket) => (ticket ? Math.floor((Date.parse(stamp(t)) - Date.parse(since(ticket))) / 1000) : null);
  const waits = (list) => list.filter((ticket) => ticket.waiting_s !== null).map((ticket) => ticket.waiting_s);
  const rated = tickets.filter((ticket) => ticket.rating !== null);
  const first = longest(waiting);
  return {
    at: stamp(t),
    hall,
    day: stamp(t).slice(0, 10),
    totals: {
      waiting: waiting.length,
      in_hall: waiting.length + by("serving").length,
      serving: by("serving").length,
      longest_wait_s: waited(first),
      longest_wait_ticket: first?.number ?? null,
      issued_today: tickets.filter((ticket) => ticket.issued_at !== null).length,
      finished_today: by("finished").length,
      no_show_today: by("no-show").length,
      abandoned_today: by("abandoned").length,
      waiting_p50_s: percentile(waits(tickets), 0.5),
      waiting_p90_s: percentile(waits(tickets), 0.9),
      handling_p50_s: percentile(by("finished").map((ticket) => ticket.handling_s).filter((n) => n !== null), 0.5),
      rating_mean_x100: rated.length ? Math.round((rated.reduce((sum, ticket) => sum + ticket.rating, 0) * 100) / rated.length) : null,
      rated_today: rated.length,
    },
    queues: day.queues.map(({ queue, name }) => {
      const own = tickets.filter((ticket) => ticket.queue === queue);
      const queued = own.filter(isWaiting);
      const top = longest(queued);
      return {
        queue,
        name,
        waiting: queued.length,
        called: own.filter((ticket) => ticket.state === "called").length,
        serving: own.filter((ticket) => ticket.state === "serving").length,
        longest_wait_s: waited(top),
        longest_wait_ticket: top?.number ?? null,
        issued_today: own.length,
        finished_today: own.filter((ticket) => ticket.state === "finished").length,
        open_counters: own.filter((ticket) => ticket.state === "called" || ticket.state === "serving").length,
        waiting_p50_s: percentile(waits(own), 0.5),
      };
    }),
    counters: day.counters.map((counter) => {
      const own = tickets.filter((ticket) => ticket.counter === counter.counter);
      const now = own.find((ticket) => ticket.state === "called" || ticket.state === "serving");
      const pause = counter.pause && t >= counter.pause.from && t < counter.pause.to && !now ? counter.pause : null;
      const ended = own.map((ticket) => ticket.ended_at).filter(Boolean).sort();
      return {
        counter: counter.counter,
        name: `${counter.counter}号台席`,
        state: counter.state === "closed" ? "closed" : (pause?.state ?? "open"),
        since: counter.state === "closed" ? stamp(day.opens) : pause ? stamp(pause.from) : (ended[ended.length - 1] ?? stamp(day.opens)),
        staff: counter.state === "closed" ? null : counter.staff,
        ticket: now ? { number: now.number, queue: now.queue, state: now.state, since: now.state === "called" ? now.called_at : now.started_at } : null,
        finished_today: own.filter((ticket) => ticket.state === "finished").length,
      };
    }),
    climate: [
      { device: "th-1", temperature_tenths: 224, humidity_tenths: 451, at: stamp(t - 20), fresh: true, in_band: true },
      { device: "th-2", temperature_tenths: 287, humidity_tenths: 382, at: stamp(t - 35), fresh: true, in_band: false },
    ],
    limits: { wait_rising_s: 300, wait_long_s: 600 },
    freshness: {
      last_event: stamp(t - 6),
      journal_lag: 0,
      uplink: { connected: true, backlog: 3, oldest_unsent_s: 14, last_ack: stamp(t - 14), problem: null, shut_out: false, twin: false, set_aside: 0 },
      clock_suspect_devices: 1,
    },
  };
}

/** The trail of one ticket. */
export function eventsOf(ticket, t, stamp) {
  const found = [];
  const push = (at, device, kind, payload, flag = null) => {
    if (at === undefined || at > t) return;
    found.push({
      id: Math.round(at) * 7 + found.length,
      at: stamp(at),
      received: stamp(at + (flag === "after-end" ? 190 : 0.2)),
      device,
      kind,
      counter: payload.counter ?? null,
      staff: payload.counter ? ticket.staff : null,
      flag,
      payload: { time: stamp(at), ticket: ticket.number, ...payload },
    });
  };
  if (!ticket.flags.includes("issue-missing")) push(ticket.issued, "tm-1", "ticket.issued", { queue: ticket.queue, class: ticket.class });
  push(ticket.called, `caller-${ticket.counter}`, "ticket.called", { counter: ticket.counter }, ticket.flags.includes("time-reversed") ? "time-reversed" : null);
  if (ticket.calls > 1) push(ticket.called + 30, `caller-${ticket.counter}`, "ticket.recalled", { counter: ticket.counter });
  push(ticket.started, `caller-${ticket.counter}`, "ticket.started", { counter: ticket.counter });
  push(ticket.ended, `caller-${ticket.counter}`, `ticket.${ticket.end ?? "finished"}`, { counter: ticket.counter });
  if (ticket.rating) push(ticket.ended + 12, `pad-${ticket.counter}`, "rating.given", { counter: ticket.counter, score: ticket.rating });
  if (ticket.flags.includes("after-end")) push(ticket.ended + 40, `caller-${ticket.counter}`, "ticket.recalled", { counter: ticket.counter }, "after-end");
  return found;
}
