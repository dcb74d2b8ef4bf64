// The centre's routes: twenty halls, one late, two offline, one that never reported.
import { centreMasters } from "./masters.mjs";
import { generator } from "./random.mjs";
import { Problem, stream } from "./web.mjs";

const DAY = "2020-01-02";
const OFFSET_S = 8 * 3600;
const STARTS_AT = 15.4 * 3600;
const NAMES = ["沃拉", "莫科托夫", "普拉加", "乌尔苏斯", "别拉尼", "奥霍塔", "韦索拉", "瓦韦尔", "日莱什", "贝莫沃", "比亚沃文卡", "雷姆贝图夫", "塔古韦克", "市中心", "维拉努夫", "弗沃希", "若利博日", "南布拉加", "中央", "新区"];
const SLOTS = 36;
const OPENS = 8 * 3600;

export function central({ speed, quiet }) {
  const random = generator(11);
  const started = Date.now();
  const midnight = Date.parse(`${DAY}T00:00:00Z`) - OFFSET_S * 1000;
  const now = () => STARTS_AT + ((Date.now() - started) / 1000) * speed;
  const stamp = (t) => new Date(midnight + Math.round(t * 1000)).toISOString();
  const clock = () => ({ now: stamp(now()), replay: speed === 1 ? null : { speed } });
  const halls = quiet ? [] : NAMES.map((name, index) => makeHall(name, index, random));

  const fresh = (hall) => hall.fresh;
  const lastSeen = (hall) => (hall.fresh === "never" ? null : hall.fresh === "offline" ? stamp(9.17 * 3600 + hall.index * 60) : hall.fresh === "late" ? stamp(now() - 600) : stamp(now() - 20));
  const through = (hall) => (hall.fresh === "never" ? 0 : hall.fresh === "offline" ? Math.floor((9.17 * 3600 - OPENS) / 900) : hall.fresh === "late" ? Math.floor((now() - 900 - OPENS) / 900) : Math.floor((now() - OPENS) / 900));
  const elapsed = () => Math.max(0, Math.min(SLOTS, Math.floor((now() - OPENS) / 900)));
  /** Slots of today that have come; one hall has a hole in the middle. */
  const received = (hall) => hall.slots.map((slot, index) => (index < Math.min(SLOTS, through(hall)) && !(hall.hole && index >= 9 && index < 13) ? slot : null));

  function dayNumbers(hall, day) {
    if (day > DAY || hall.fresh === "never") return [];
    if (day === DAY) return received(hall);
    return hall.slots.map((slot) => (hall.hole && day.endsWith("1") ? null : slot));
  }
  function days(from, to) {
    const found = [];
    for (let day = from; day <= to && found.length < 62; ) {
      found.push(day);
      const next = new Date(`${day}T00:00:00Z`);
      next.setUTCDate(next.getUTCDate() + 1);
      day = next.toISOString().slice(0, 10);
    }
    return found;
  }
  function row(hall, from, to) {
    const all = days(from, to).filter((day) => day <= DAY).flatMap((day) => dayNumbers(hall, day));
    const expected = days(from, to).reduce((sum, day) => sum + (day < DAY ? SLOTS : day === DAY ? elapsed() : 0), 0);
    const slots = all.filter(Boolean);
    const sum = (field) => (slots.length ? slots.reduce((total, slot) => total + slot[field], 0) : null);
    const issued = sum("issued");
    const ratings = slots.length ? hall.ratings.map((share) => Math.floor(share * issued * 0.2)) : [0, 0, 0, 0, 0];
    const rated = ratings.reduce((a, b) => a + b, 0);
    const hours = [];
    for (let index = 0; index < all.length && hours.length < 48; index += from === to ? 4 : 36) {
      const part = all.slice(index, index + (from === to ? 4 : 36)).filter(Boolean);
      hours.push(part.length ? part.reduce((total, slot) => total + slot.issued, 0) : null);
    }
    // The real centre gives all 24 hours of a day.
    if (from === to) {
      hours.splice(Math.ceil(elapsed() / 4));
      hours.unshift(...Array(OPENS / 3600).fill(null));
      hours.push(...Array(24 - hours.length).fill(null));
    }
    return {
      store: hall.store, name: hall.name, peer_group: hall.group,
      issued, finished: sum("finished"), no_show: sum("no_show"), no_show_bp: issued ? Math.round((sum("no_show") * 10000) / issued) : null, abandoned: slots.length ? 2 : null,
      waiting_n: issued, waiting_p50_s: slots.length ? hall.wait : null, waiting_p90_s: slots.length ? Math.round(hall.wait * 2.7) : null, handling_n: sum("finished"), handling_p50_s: slots.length ? hall.handling : null,
      ratings, rated, unrated: issued === null ? null : issued - rated, rating_mean_x100: rated ? Math.round((ratings.reduce((total, n, index) => total + n * (index + 1), 0) * 100) / rated) : null,
      climate_measured_min: hall.climate ? slots.length * 15 : 0, climate_in_band_bp: hall.climate && slots.length ? hall.climate : null,
      slots_expected: expected, slots_received: slots.length, completeness_bp: expected ? Math.floor((slots.length * 10000) / expected) : null,
      data_through: slots.length ? stamp(OPENS + through(hall) * 900) : null, last_seen: lastSeen(hall), fresh: fresh(hall), sparkline: hours,
    };
  }
  function total(rows) {
    const known = rows.filter((each) => each.issued !== null);
    const sum = (field) => (known.length ? known.reduce((all, each) => all + (each[field] ?? 0), 0) : null);
    const mean = (field) => (known.length ? Math.round(known.reduce((all, each) => all + (each[field] ?? 0), 0) / known.length) : null);
    const ratings = [0, 1, 2, 3, 4].map((index) => known.reduce((all, each) => all + each.ratings[index], 0));
    const expected = rows.reduce((all, each) => all + each.slots_expected, 0);
    const got = rows.reduce((all, each) => all + each.slots_received, 0);
    const rated = sum("rated");
    return {
      issued: sum("issued"), finished: sum("finished"), no_show: sum("no_show"), no_show_bp: sum("issued") ? Math.round((sum("no_show") * 10000) / sum("issued")) : null, abandoned: sum("abandoned"),
      waiting_n: sum("waiting_n"), waiting_p50_s: mean("waiting_p50_s"), waiting_p90_s: mean("waiting_p90_s"), handling_n: sum("handling_n"), handling_p50_s: mean("handling_p50_s"),
      ratings, rated, unrated: sum("unrated"), rating_mean_x100: rated ? Math.round((ratings.reduce((all, n, index) => all + n * (index + 1), 0) * 100) / rated) : null,
      climate_measured_min: sum("climate_measured_min"), climate_in_band_bp: mean("climate_in_band_bp"), slots_expected: expected, slots_received: got, completeness_bp: expected ? Math.floor((got * 10000) / expected) : null,
    };
  }
  const period = (query) => ({ from: query.get("from") ?? DAY, to: query.get("to") ?? query.get("from") ?? DAY });

  const routes = ({ need }) => ({
    ...centreMasters(need, () => stamp(now()), halls),
    "GET /api/v1/trust": ({ request }) => {
      need(request, "fleet.trust");
      const states = ["member", "member", "member", "invited", "member", "revoked", "ended", "none"];
      return {
        fingerprint: "9F".repeat(32), door: "centre.example:7443",
        halls: halls.map((hall, index) => {
          const state = states[index % states.length];
          return { store: hall.store, name: state === "invited" ? null : hall.name, state, until: state === "member" ? new Date(Date.now() + 86400e3 * (index % 5 ? 300 : 12)).toISOString() : null, revoked: state === "revoked" ? stamp(-86400) : null, code_until: state === "invited" ? stamp(86400 * 2) : null, last_seen: state === "invited" ? null : lastSeen(hall) };
        }),
      };
    },
    "POST /api/v1/trust/:store/code": ({ request }) => {
      need(request, "fleet.trust");
      return { code: "7K2M-9QXR-0V3D-HHT4-ZN8B-5C1E", until: stamp(now() + 86400 * 2), door: "centre.example:7443" };
    },
    "DELETE /api/v1/trust/:store/code": ({ request }) => void need(request, "fleet.trust"),
    "POST /api/v1/trust/:store/revoke": ({ request }) => void need(request, "fleet.trust"),
    "GET /api/v1/halls": ({ request }) => {
      need(request, "halls.read");
      return {
        halls: halls.map((hall) => ({
          store: hall.store, name: hall.name, city: "华沙", grade: hall.group, footfall_class: "m", peer_group: hall.group, last_seen: lastSeen(hall), fresh: fresh(hall), backlog: hall.fresh === "late" ? 214 : hall.fresh === "live" ? 0 : null, oldest_unsent_s: hall.fresh === "late" ? 4210 : null, twin: hall.fresh === "late" ? stamp(now() - 400) : null, alarms: hall.fresh === "late" ? [{ device: "printer-1", alarm: "paper-jam", severity: "major", text: "rear door", since: stamp(now() - 900) }] : [], version: hall.fresh === "never" ? null : "0.1.0",
          live: hall.fresh === "never" ? null : { at: lastSeen(hall), waiting: hall.index % 13, in_hall: (hall.index % 13) + 4, longest_wait_s: hall.index % 13 ? 60 + hall.index * 47 : null, open_counters: 3 + (hall.index % 6) },
          first_seen: stamp(-86400 * 30),
        })),
      };
    },
    "GET /api/v1/compare": ({ request, query }) => {
      need(request, "halls.read");
      const { from, to } = period(query);
      const rows = halls.filter((hall) => !query.get("peer_group") || hall.group === query.get("peer_group")).map((hall) => row(hall, from, to));
      return { from, to, as_of: stamp(now()), halls_expected: rows.length, halls_complete: rows.filter((each) => each.completeness_bp === 10000).length, peer_groups: ["A", "B", "C"], rows, total: total(rows) };
    },
    "GET /api/v1/compare/series": ({ request, query }) => {
      need(request, "halls.read");
      const { from, to } = period(query);
      const stores = (query.get("stores") ?? "").split(",").filter(Boolean);
      const oneDay = from === to;
      const points = oneDay ? Array.from({ length: SLOTS }, (_, index) => stamp(OPENS + index * 900)) : days(from, to).map((day) => `${day}T00:00:00.000Z`);
      const measure = query.get("measure") ?? "issued";
      const series = halls.filter((hall) => stores.includes(hall.store)).map((hall) => ({
        store: hall.store, name: hall.name,
        values: oneDay ? dayNumbers(hall, from).map((slot, index) => (slot ? (measure === "issued" ? slot.issued : Math.round(hall.wait * (0.6 + 0.5 * Math.sin(index / 5 + hall.index)))) : null)) : days(from, to).map((day) => (day <= DAY ? (row(hall, day, day)[measure] ?? null) : null)),
      }));
      return { points, series };
    },
    "GET /api/v1/halls/:store/day": ({ request, query, parameters }) => {
      need(request, "halls.read");
      const hall = halls.find((each) => each.store === parameters.store);
      if (!hall) throw new Problem(404, "not-found", "no such hall");
      const date = query.get("date") ?? DAY;
      const numbers = dayNumbers(hall, date);
      const known = numbers.filter(Boolean).length;
      const offset = (Date.parse(`${date}T00:00:00Z`) - Date.parse(`${DAY}T00:00:00Z`)) / 1000;
      const slots = Array.from({ length: SLOTS }, (_, index) => {
        const slot = numbers[index] ?? null;
        return { start: stamp(offset + OPENS + index * 900), received: slot !== null, issued: slot?.issued ?? null, started: slot?.started ?? null, finished: slot?.finished ?? null, no_show: slot?.no_show ?? null, waiting_p50_s: slot?.wait ?? null, waiting_p90_s: slot && slot.wait ? slot.wait * 2 : null, handling_p50_s: slot ? hall.handling : null, version: slot ? 1 : null };
      });
      return {
        store: hall.store, name: hall.name, date, time_zone: "Asia/Shanghai", slots,
        queues: known ? ["A 个人业务", "B 营业登记", "C 缴费查询"].map((name, index) => ({ queue: name[0], name, issued: 60 - index * 13, finished: 55 - index * 13, no_show: 3 - index, waiting_p50_s: index === 2 ? null : hall.wait + index * 40, handling_p50_s: hall.handling })) : [],
        counters: known ? Array.from({ length: 6 }, (_, index) => ({ counter: String(index + 1), staff: index === 5 ? null : String(2001 + index), open_s: 21000 - index * 900, serving_s: 15000 - index * 700, busy_s: 900, break_s: 1200, finished: 40 - index * 4 })) : [],
        climate: known && hall.climate ? slots.filter((slot) => slot.received).map((slot, index) => ({ start: slot.start, device: "th-1", mean_tenths: 221 + Math.round(8 * Math.sin(index / 6)), in_band_min: index % 11 === 3 ? 9 : 15, measured_min: 15 })) : [],
        completeness_bp: date > DAY ? null : Math.floor((known * 10000) / (date === DAY ? Math.max(1, elapsed()) : SLOTS)), data_through: known ? stamp(offset + OPENS + known * 900) : null,
      };
    },
    "GET /api/v1/questions": ({ request, query }) => {
      need(request, "audit.read");
      const past = [
        { store: halls[0].store, asked: stamp(now() - 40), asked_by: "1001", roles: ["operator"], about: { rows: "tickets", day: DAY, queue: "A", limit: 100 }, outcome: null, reason: null, rows: null },
        { store: halls[0].store, asked: stamp(now() - 400), asked_by: "1001", roles: ["operator"], about: { rows: "tickets", day: DAY, counter: "3", limit: 100 }, outcome: "rows", reason: null, rows: 42 },
        { store: halls[1].store, asked: stamp(now() - 900), asked_by: "1002", roles: ["auditor"], about: { rows: "reports", day: DAY, device: "tm-1", limit: 100 }, outcome: "denied", reason: "right", rows: null },
        { store: halls[2].store, asked: stamp(now() - 4000), asked_by: "1002", roles: ["auditor"], about: { rows: "alarms", limit: 100 }, outcome: "away", reason: null, rows: null },
      ];
      const fits = (one) => (!query.get("store") || one.store === query.get("store")) && (!query.get("asked_by") || one.asked_by === query.get("asked_by")) && !query.get("before");
      return { questions: quiet ? [] : past.filter(fits) };
    },
    "POST /api/v1/halls/:store/rows": ({ request, body, parameters }) => {
      need(request, "halls.drill");
      const hall = halls.find((each) => each.store === parameters.store);
      if (!hall) throw new Problem(404, "not-found", "no such hall");
      if (hall.fresh !== "live") throw new Problem(503, "unavailable", "the hall did not answer within 10 s", { reason: "hall-away", facts: { hall: hall.name, last_seen: lastSeen(hall) } });
      if (body.rows === "alarms") throw new Problem(409, "conflict", "the hall does not show these rows to you", { reason: "hall-denied", facts: { hall: hall.name, why: "right" } });
      if (body.rows === "reports") return { name: hall.name, time_zone: "Asia/Shanghai", next: null, rows: body.device === "tm-1" ? [{ id: 9, at: stamp(now() - 60), received: stamp(now() - 59), kind: "ticket.issued", seq: 4, payload: { ticket: "A004", queue: "A" } }, { id: 8, at: stamp(now() - 70), received: stamp(now() - 69), kind: "kiosk.txn", seq: 3, payload: null }] : [] };
      const first = Number(body.after ?? 0);
      const rows = Array.from({ length: Math.max(0, Math.min(body.limit, 240 - first)) }, (_, index) => {
        const n = first + index + 1;
        return { number: `${body.queue ?? "A"}${String(n).padStart(3, "0")}`, queue: body.queue ?? "A", class: n % 17 ? "ordinary" : "vip", state: n % 11 ? "finished" : "no-show", issued_at: stamp(OPENS + n * 90), called_at: stamp(OPENS + n * 90 + 400), started_at: stamp(OPENS + n * 90 + 410), ended_at: stamp(OPENS + n * 90 + 700), waiting_s: 410, handling_s: n % 11 ? 290 : null, counter: body.counter ?? String(1 + (n % 6)), staff: String(2001 + (n % 6)), rating: n % 4 ? 5 : null, calls: 1, flags: n % 40 ? [] : ["issued-twice"] };
      });
      return { name: hall.name, time_zone: "Asia/Shanghai", rows, next: first + rows.length < 240 ? String(first + rows.length) : null };
    },
    "GET /api/v1/compare/stream": ({ request, response }) => {
      need(request, "halls.read");
      stream(request, response, "changed", () => ({ at: stamp(now()) }), 4000);
    },
    "GET /health": () => ({ status: "ok", parts: ["store", "web", "zenoh"].map((part) => ({ part, status: "ok", detail: "2 ms", detail_zh: "2 ms", age_s: 7 })) }),
    "GET /api/v1/box": ({ request }) => {
      need(request, "box.read");
      const n = (state) => halls.filter((hall) => hall.fresh === state).length;
      return { version: "0.1.0", started: stamp(STARTS_AT - 90000), uptime_s: 90000, database_bytes: 48e6, intake: { batches: 18211, items: 91200, duplicates: 14, dead_letters: 1, last: stamp(now() - 2) }, stores: { known: halls.length, live: n("live"), late: n("late"), offline: n("offline") }, listen: ["tcp/127.0.0.1:7447"] };
    },
  });
  return { name: "华沙市中心", kind: "central", firstRoles: ["operator", "auditor", "installer"], clock, timeZone: "Asia/Shanghai", page: "centre.html", routes };
}

function makeHall(name, index, random) {
  const wait = random.whole(90, 900);
  const slots = Array.from({ length: SLOTS }, (_, slot) => {
    const issued = Math.max(0, Math.round(random.between(1, 9) * (1.2 - Math.abs(slot - 12) / 30)));
    return { issued, started: Math.max(0, issued - random.whole(0, 1)), finished: Math.max(0, issued - random.whole(0, 1)), no_show: random.chance(0.15) ? 1 : 0, wait: issued ? Math.round(wait * random.between(0.5, 1.5)) : null };
  });
  return {
    index, name: `${name}营业厅`, store: `ud-${index + 1}`, group: ["A", "B", "C"][index % 3], slots, wait, handling: random.whole(160, 480), hole: index === 4,
    fresh: index === 7 || index === 12 ? "offline" : index === 9 ? "late" : index === 19 ? "never" : "live",
    ratings: index === 2 ? [0, 0, 0, 0, 0] : [0.02, 0.03, 0.1, 0.3, 0.55], climate: index % 6 === 5 ? null : random.whole(8600, 10000),
  };
}
