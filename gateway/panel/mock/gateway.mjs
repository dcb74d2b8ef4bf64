// The hall's routes.
import { eventsOf, floorAt, makeDay, ticketAt } from "./hall-day.mjs";
import { hallDevices } from "./hall-devices.mjs";
import { hallMasters } from "./masters.mjs";
import { hallUpkeep } from "./hall-upkeep.mjs";
import { Problem, stream } from "./web.mjs";

const DAY = "2020-01-02";
const ZONE_OFFSET_S = 8 * 3600;
const STARTS_AT = 10.55 * 3600;
const LAST = 16.5 * 3600;

export function gateway({ speed, big, quiet }) {
  const day = makeDay(big ? { queues: 16, counters: 20 } : {});
  if (quiet) Object.assign(day, { tickets: [], queues: [], counters: [] });
  const started = Date.now();
  const midnight = Date.parse(`${DAY}T00:00:00Z`) - ZONE_OFFSET_S * 1000;
  const now = () => Math.min(LAST, STARTS_AT + ((Date.now() - started) / 1000) * speed);
  const stamp = (t) => new Date(midnight + Math.round(t * 1000)).toISOString();
  const clock = () => ({ now: stamp(now()), replay: speed === 1 ? null : { speed } });
  const hall = { store: "ud-wola", name: "沃拉营业厅" };
  const floor = () => {
    const found = floorAt(day, now(), stamp, hall);
    found.day = DAY;
    if (quiet) {
      for (const key of Object.keys(found.totals)) found.totals[key] = null;
      Object.assign(found, { climate: [] });
      Object.assign(found.freshness, { last_event: null, clock_suspect_devices: 0, uplink: { connected: false, backlog: 12, oldest_unsent_s: 4000, last_ack: null, problem: "connection refused", twin: false, set_aside: 0 } });
    }
    return found;
  };
  let membership = quiet ? null : { doors: ["centre.example:7443"], fingerprint: "9F".repeat(32), since: stamp(now() - 86400 * 20), until: stamp(now() + 377 * 86400) };
  const setAside = [
    { id: 2, created: stamp(9.2 * 3600), set_aside: stamp(9.3 * 3600), reason: "unknown variant `visit`, expected one of `profile`, `fact`, `set-aside`", body: JSON.stringify({ item: "visit", day: DAY, topic: "宽带" }), sent_again: null },
    { id: 1, created: stamp(8.1 * 3600), set_aside: stamp(8.2 * 3600), reason: "slot is not on its day in any zone", body: JSON.stringify({ item: "fact", fact: "hall-quarter", slot: "2020-03-02T08:00:00Z", day: DAY, version: 1 }), sent_again: stamp(8.4 * 3600) },
  ];
  const own = hallDevices({ day, stamp, now, quiet });
  const { devices } = own;
  const letters = quiet ? [] : makeLetters(stamp, now());

  function listed(query) {
    let found = day.tickets.map((ticket) => ticketAt(ticket, now(), stamp)).filter(Boolean);
    if (query.get("day") && query.get("day") !== DAY) found = [];
    const group = { open: ["waiting", "called", "serving"], "waiting-or-called": ["waiting", "called"] }[query.get("state")];
    if (group) found = found.filter((ticket) => group.includes(ticket.state));
    else if (query.get("state")) found = found.filter((ticket) => ticket.state === query.get("state"));
    if (query.get("queue")) found = found.filter((ticket) => ticket.queue === query.get("queue"));
    if (query.get("counter")) found = found.filter((ticket) => ticket.counter === query.get("counter"));
    if (query.get("staff")) found = found.filter((ticket) => ticket.staff?.staff === query.get("staff"));
    if (query.get("flagged") === "true") found = found.filter((ticket) => ticket.flags.length > 0);
    if (query.get("issued") === "true") found = found.filter((ticket) => ticket.issued_at !== null);
    if (query.get("rated") === "true") found = found.filter((ticket) => ticket.rating !== null);
    const q = query.get("q")?.toLowerCase();
    if (q) found = found.filter((ticket) => [ticket.number, ticket.staff?.name, ticket.staff?.staff].some((text) => text?.toLowerCase().includes(q)));
    const by = { issued: (ticket) => ticket.issued_at ?? ticket.called_at ?? "", waiting: (ticket) => ticket.waiting_s ?? -1, handling: (ticket) => ticket.handling_s ?? -1 }[query.get("sort") ?? "issued"];
    if (!by) throw new Problem(422, "invalid", "unknown sort", { field: "sort" });
    const sign = query.get("dir") === "asc" ? 1 : -1;
    found.sort((a, b) => (by(a) < by(b) ? -sign : by(a) > by(b) ? sign : 0));
    return found;
  }

  const routes = ({ need, log }) => ({
    "GET /api/v1/floor": ({ request }) => {
      need(request, "floor.read");
      return floor();
    },
    "GET /api/v1/floor/stream": ({ request, response }) => {
      need(request, "floor.read");
      stream(request, response, "floor", floor, 1000);
    },
    "GET /api/v1/tickets": ({ request, response, query }) => {
      need(request, "tickets.read");
      const found = listed(query);
      if (query.get("format") === "csv") {
        response.writeHead(200, { "content-type": "text/csv; charset=utf-8", "content-disposition": "attachment; filename=tickets.csv" });
        response.end(`\uFEFFnumber,state\r\n${found.map((ticket) => `${ticket.number},${ticket.state}`).join("\r\n")}\r\n`);
        return undefined;
      }
      const offset = Number(query.get("offset")) || 0;
      return { day: query.get("day") ?? DAY, total: found.length, tickets: found.slice(offset, offset + (Number(query.get("limit")) || 50)) };
    },
    "GET /api/v1/tickets/:day/:number": ({ request, parameters }) => {
      need(request, "tickets.read");
      const found = day.tickets.find((ticket) => ticket.number === parameters.number && ticket.issued <= now());
      if (!found) throw new Problem(404, "not-found", "no such ticket");
      return { ticket: ticketAt(found, now(), stamp), events: eventsOf(found, now(), stamp) };
    },
    ...own.routes({ need, log }),
    ...hallUpkeep({ need, stamp, now, quiet }),
    ...hallMasters(need, () => stamp(now())),
    "GET /api/v1/devices/:device/reports": ({ request, parameters, query }) => {
      need(request, "devices.read");
      const found = devices.find((device) => device.device === parameters.device);
      if (!found) throw new Problem(404, "not-found", "no such device");
      const before = Number(query.get("before")) || 5000;
      const reports = [];
      for (let index = 0; index < Math.min(50, found.reports); index += 1) {
        const id = before - 1 - index;
        if (id < 4900) break;
        const at = stamp(now() - (5000 - id) * 40);
        reports.push({ id, received: at, time: at, kind: found.kind === "climate-sensor" ? "climate" : found.kind === "ticket-machine" ? "ticket.issued" : "ticket.called", boot: "b7", seq: id - 4000, clock: index % 9 === 4 ? "late" : found.clock_suspect ? "suspect" : "ok", payload: found.kind === "climate-sensor" ? { temperature_tenths: 224, humidity_tenths: 451 } : { ticket: `A${String(index).padStart(3, "0")}`, queue: "A", counter: found.counter ?? undefined } });
      }
      return { reports };
    },
    "GET /api/v1/dead-letters": ({ request, query }) => {
      need(request, "deadletters.read");
      const q = query.get("q")?.toLowerCase();
      const found = letters.filter((letter) => (!query.get("device") || letter.device === query.get("device")) && (!q || JSON.stringify(letter).toLowerCase().includes(q)));
      const before = Number(query.get("before")) || Number.POSITIVE_INFINITY;
      return { total: found.length, dropped: quiet ? 0 : 3, letters: found.filter((letter) => letter.id < before).slice(0, Number(query.get("limit")) || 50) };
    },
    "GET /api/v1/uplink": ({ request }) => {
      need(request, "box.read");
      return { store: "demo-hall", member: membership };
    },
    "POST /api/v1/uplink/enrol": ({ request, body: asked }) => {
      need(request, "box.manage");
      if (asked.code.replace(/[\s-]/g, "").length !== 24) throw new Problem(400, "invalid", "a code has 24 letters", { field: "code", reason: "enrol-code-form", facts: {} });
      if (asked.centre.startsWith("10.")) throw new Problem(503, "unavailable", "not reached", { reason: "enrol-unreachable", facts: { centre: asked.centre } });
      membership = { doors: [asked.centre], fingerprint: "9F".repeat(32), since: stamp(now()), until: stamp(now() + 397 * 86400) };
      return { store: "demo-hall", member: membership };
    },
    "GET /api/v1/uplink/set-aside": ({ request }) => {
      need(request, "deadletters.read");
      return { items: quiet ? [] : setAside };
    },
    "POST /api/v1/uplink/set-aside/:id/send-again": ({ request, parameters }) => {
      need(request, "box.manage");
      const found = setAside.find((item) => String(item.id) === parameters.id);
      if (!found) throw new Problem(404, "not-found", "no such item");
      found.sent_again = stamp(now());
    },
    "GET /health": () => ({
      status: "degraded",
      parts: [
        { part: "audit log", status: "ok", detail: "unbroken", detail_zh: "完整", age_s: 512 },
        { part: "drivers", status: "degraded", detail: "not running: screen-3", detail_zh: "未运行：screen-3", age_s: 4 },
        { part: "followers", status: "ok", detail: "keep up", detail_zh: "已跟上", age_s: 4 },
        { part: "journal", status: "ok", detail: "commit took 3 ms", detail_zh: "提交用时 3 ms", age_s: 4 },
        { part: "mqtt", status: "ok", detail: "message came back in 1 ms", detail_zh: "消息 1 ms 后返回", age_s: 4 },
        { part: "uplink", status: "ok", detail: "centre answers", detail_zh: "中心有应答", age_s: 4 },
      ],
    }),
    "GET /api/v1/box": ({ request }) => {
      need(request, "box.read");
      return {
        store: hall.store,
        epoch: "7f3a",
        version: "0.1.0",
        started: stamp(STARTS_AT - 86400 * 3),
        uptime_s: 86400 * 3 + 512,
        disk: { free_bytes: 21e9, total_bytes: 64e9, database_bytes: 182e6 },
        journal: { accepted: 128412, refused: 0, last_id: 128420, dead_letters: letters.length, dead_letters_dropped: quiet ? 0 : 3, writer: "running", problem: null },
        followers: [
          { name: "boards", position: 126100, lag: 2320 },
          { name: "climate", position: 128418, lag: 2 },
          { name: "devices", position: 128420, lag: 0 },
          { name: "queue", position: 128420, lag: 0 },
        ],
        doors: {
          mqtt: { listen: "127.0.0.1:1883", listen_tls: "0.0.0.0:8883", connections: 31, refused: 4 },
          wired: [
            { device: "th-1", driver: "modbus", status: "running", detail: null, restarts: 0, bad_frames: 0 },
            { device: "screen-3", driver: "lihe-screen", status: "restarting", detail: "no answer from address 3, trying again in 8 s", restarts: 2, bad_frames: 5 },
          ],
        },
        uplink: quiet ? null : { doors: ["centre.example:7443"], connected: true, backlog: 3, oldest_unsent_s: 14, last_ack: stamp(now() - 14), problem: null, fetched: stamp(now() - 33), fetch_problem: null, shut_out: false, twin: true, set_aside: setAside.filter((item) => !item.sent_again).length },
      };
    },
  });
  return { name: hall.name, kind: "gateway", firstRoles: ["hall-manager"], clock, timeZone: "Asia/Shanghai", page: "hall.html", routes };
}

function makeLetters(stamp, t) {
  const make = (id, device, reason_code, reason, text, topic, door = "mqtt") => ({
    id, received: stamp(t - id * 61), door, device, topic, reason, reason_code, payload_text: text, payload_hex: Buffer.from(text ?? [0xff, 0x03, 0x04, 0x00, 0xe0, 0x01, 0xc3, 0x99]).toString("hex"), size: text?.length ?? 8, truncated: false,
  });
  return [
    make(9, "tm-2", "bad-json", "expected `,` or `}` at line 1 column 31", '{"ticket":"A017","queue":"A" "time":"2020-01-02T02:11:09Z"}', "te/device/tm-2///e/ticket.issued"),
    make(8, "tm-2", "unknown-kind", "unknown kind ticket.eaten", '{"ticket":"A018"}', "te/device/tm-2///e/ticket.eaten"),
    make(7, "tm-2", "topic-not-permitted", "device tm-2 may publish below te/device/tm-2/ only", '{"ticket":"B001","queue":"B"}', "te/device/caller-3///e/ticket.called"),
    make(6, "th-1", "bad-frame", "crc 0x99c3, expected 0x41c2", null, null, "wired"),
    make(5, "tm-2", "bad-field", "missing field `queue`", '{"ticket":"排队-19"}', "te/device/tm-2///e/ticket.issued"),
    make(4, null, "too-large", "70124 bytes, at most 65536", '{"x":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', "排队机/1"),
  ].map((letter) => (letter.reason_code === "too-large" ? { ...letter, truncated: true, size: 70124 } : letter));
}
