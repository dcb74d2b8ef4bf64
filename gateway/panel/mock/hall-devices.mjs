// Devices of the mock hall: one of every state a person has to deal with.
import { randomBytes } from "node:crypto";
import { DRIVERS, PORTS, problemWith } from "./drivers.mjs";
import { Problem } from "./web.mjs";

const WINDOW_S = 600;
const TRIES = 5;
const CODE = "402913";
const LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/** What devices that say nothing plainly can do. */
const USUAL = { "window-screen": ["display"], "led-board": ["display"], caller: ["display"], kiosk: ["restart"], "ticket-machine": ["restart"], "digital-io": ["power"] };
const MAPS_BROKEN = "127.0.0.1:1";

export function hallDevices({ day, stamp, now, quiet }) {
  const devices = makeDevices(day, stamp, now);
  const state = {
    window: null,
    claims: quiet ? [] : makeClaims(stamp, now),
    requests: quiet ? [] : makeRequests(stamp, now),
    commands: new Map(quiet ? [] : makeCommands(stamp, now)),
    files: new Map(),
    nextId: 900,
  };
  if (quiet) devices.splice(0);
  const find = (id) => {
    const found = devices.find((device) => device.device === id);
    if (!found) throw new Problem(404, "not-found", `device ${id} was not found`);
    return found;
  };
  const asksOf = (device) => state.requests.filter((request) => request.device === device.device).map(({ id, what }) => ({ id, what }));
  const view = ({ settings: _s, from_file: _f, topics: _t, parts = [], ...device }) => {
    const asks = asksOf(device);
    return { ...device, parts, health: { trouble: null, ...device.health }, asks, provisional: device.state === "active" && asks.length > 0 };
  };
  const fileOf = (device) => {
    if (!state.files.has(device.device)) state.files.set(device.device, makeFile(device, stamp, now));
    return state.files.get(device.device);
  };
  const note = (device, what, detail, who = "hall", alarm = null) => fileOf(device).unshift(entry(stamp(now()), what, detail, who, alarm));
  const claimView = ({ tries, ...claim }) => ({ ...claim, tries_left: tries, owner: devices.find((each) => each.serial === claim.serial && each.state !== "retired")?.device ?? null });
  const openWindow = () => (state.window && state.window.closes > now() ? { key: state.window.key, until: stamp(state.window.closes) } : null);
  const driverOf = (name) => DRIVERS.find((driver) => driver.name === name);

  const routes = ({ need, log }) => ({
    "GET /api/v1/devices": ({ request }) => {
      need(request, "devices.read");
      const expected = quiet ? [] : [["kiosk", 4], ["printer", 1]];
      const miscounts = expected.map(([kind, wanted]) => ({ kind, expected: wanted, found: devices.filter((device) => device.kind === kind && device.state === "active").length }));
      return { devices: devices.map(view), miscounts: miscounts.filter((each) => each.expected !== each.found) };
    },
    "POST /api/v1/devices": ({ request, response, body }) => {
      const who = need(request, "devices.manage");
      if (devices.some((device) => device.device === body.device)) throw new Problem(409, "conflict", `device id ${body.device} is taken`, { reason: "id-taken", facts: { device: body.device } });
      const bad = (body.topics ?? []).find((topic) => /#|^te(\/|$)|^homeassistant/.test(topic));
      if (bad) throw new Problem(422, "invalid", `topics: "${bad}": may have + for a whole level, and no #`, { field: "topics", reason: "topic-wildcard", facts: { prefix: bad } });
      const driver = body.driver ? driverOf(body.driver) : null;
      const problem = driver && problemWith(driver, body.settings ?? {});
      if (problem) throw settingProblem(problem);
      const wired = driver ? { driver: driver.name, settings: body.settings, connected: null, kind: driver.kind } : {};
      devices.push(device({ ...blank, device: body.device, kind: body.kind, name: body.name || body.device, counter: body.counter ?? null, topics: body.topics ?? [], ...wired }));
      note(find(body.device), "registered", find(body.device).kind);
      log(who.staff, "devices.add", body.device);
      response.statusCode = 201;
      return { device: body.device, secret: driver ? null : randomBytes(18).toString("base64url") };
    },
    "GET /api/v1/devices/:device": ({ request, parameters }) => {
      need(request, "devices.read");
      const found = find(parameters.device);
      const said = found.topics?.length ? [] : (USUAL[found.kind] ?? []);
      const accepts = found.connected === null ? (driverOf(found.driver)?.accepts ?? []) : said;
      return { ...view(found), settings: found.settings ?? null, hook: null, topics: found.topics ?? [], from_file: found.from_file ?? false, accepts, parts: found.parts ?? [] };
    },
    "POST /api/v1/devices/:device": ({ request, parameters, body }) => {
      const who = need(request, "devices.manage");
      const found = find(parameters.device);
      if (found.from_file) throw new Problem(409, "conflict", "this device is changed in gateway.toml", { reason: "owned-by-file", facts: {} });
      const [asked] = asksOf(found);
      if (body.state === "active" && found.reason && asked) throw new Problem(409, "conflict", `${found.device}: request ${asked.id} waits for a decision`, { reason: "request-open", facts: { device: found.device, request: asked.id, what: asked.what } });
      const problem = body.settings && problemWith(driverOf(found.driver), body.settings);
      if (problem) throw settingProblem(problem);
      for (const field of ["name", "counter", "state", "settings", "topics"]) if (body[field] !== undefined) found[field] = body[field];
      if (body.state === "active") found.reason = null;
      if (body.state === "suspended") found.reason ??= "by-hand";
      if (body.state && body.state !== "active") found.connected &&= false;
      if (body.state) note(found, { active: "restored", suspended: "suspended", retired: "retired" }[body.state], { reason: body.reason ?? null }, who.staff);
      const fields = ["name", "counter", "settings", "topics"].filter((field) => body[field] !== undefined);
      if (fields.length > 0) note(found, "changed", { fields }, who.staff);
      log(who.staff, "devices.change", found.device);
      return { device: found.device, secret: body.new_secret ? randomBytes(18).toString("base64url") : null };
    },
    "GET /api/v1/devices/:device/file": ({ request, parameters }) => {
      need(request, "devices.read");
      const found = devices.find((each) => each.device === parameters.device);
      return { events: found ? fileOf(found) : [] };
    },
    "GET /api/v1/devices/:device/line": ({ request, parameters }) => {
      need(request, "devices.manage");
      const found = find(parameters.device);
      if (found.connected !== null || found.state !== "active") throw new Problem(404, "not-found", `wired device ${found.device} was not found`);
      return { pieces: found.settings?.link?.tcp === MAPS_BROKEN ? [] : linePieces(stamp, now) };
    },
    "GET /api/v1/devices/:device/commands": ({ request, parameters }) => {
      need(request, "devices.read");
      return { commands: (state.commands.get(parameters.device) ?? []).map((command) => advance(command, stamp, now)) };
    },
    "POST /api/v1/devices/:device/commands": ({ request, response, parameters, body }) => {
      const who = need(request, "devices.command");
      const found = find(parameters.device);
      if (found.state !== "active") throw new Problem(404, "not-found", `device ${found.device} was not found`);
      if (!["restart", "power-on", "power-off", "welcome", "pause", "text"].includes(body.what)) throw new Problem(422, "invalid", `what: expected restart, power-on, power-off, welcome, pause or text, found "${body.what}"`, { field: "what" });
      const kind = body.what === "restart" ? "restart" : body.what.startsWith("power") ? "power" : "display";
      state.nextId += 1;
      const command = { id: state.nextId, kind, ...done(body.what, null, body.text ?? null), state: "init", failure: null, reason: null, asked_by: who.staff, asked: stamp(now()), expires: stamp(now() + (kind === "display" ? 60 : 300)), ended: null, attempts: 0, born: Date.now() };
      state.commands.set(found.device, [command, ...(state.commands.get(found.device) ?? [])]);
      log(who.staff, "devices.command", `${found.device} ${command.what}`);
      response.statusCode = 202;
      return { id: command.id };
    },
    "GET /api/v1/device-requests": ({ request }) => {
      need(request, "devices.read");
      return { requests: state.requests };
    },
    "POST /api/v1/device-requests/:id": ({ request, parameters, body }) => {
      const who = need(request, "devices.manage");
      const asked = state.requests.find((each) => each.id === Number(parameters.id));
      if (!asked) throw new Problem(404, "not-found", `request ${parameters.id} was not found`);
      state.requests = state.requests.filter((each) => each !== asked);
      const found = find(asked.device);
      note(found, "decided", { about: asked.what, granted: body.grant, changes: asked.changes, reason: body.reason ?? null }, who.staff);
      Object.assign(found, body.grant ? { state: "active", reason: null } : { state: "suspended", reason: "refused" });
      if (body.grant && asked.what === "serial-clash") Object.assign(find(asked.owner), { state: "retired" });
      return { device: asked.device };
    },
    "GET /api/v1/drivers": ({ request }) => {
      need(request, "devices.read");
      return { drivers: DRIVERS.map(({ kind: _kind, ...driver }) => driver), ports: PORTS };
    },
    "POST /api/v1/discovery": async ({ request, body }) => {
      need(request, "devices.manage");
      if (body.network && !/^(10|192\.168|172\.(1[6-9]|2\d|3[01])|127)\./.test(body.network)) throw new Problem(422, "invalid", `network: expected a network such as 192.168.1.0/24, found "${body.network}"`, { field: "network", reason: "network-form", facts: {} });
      await new Promise((resolve) => setTimeout(resolve, 2500));
      const onPort = (body.ports ?? []).map((port) => ({ settings: { link: { serial: port }, unit: 3 }, identity: {} }));
      const onNetwork = body.network ? [{ settings: { link: { tcp: "192.168.8.61:502" }, unit: 1 }, identity: { vendor: "Advantech", model: "ADAM-6050", serial: "9FE1120034" } }] : [];
      return { unasked: 0, found: [...onNetwork, ...onPort] };
    },
    "GET /api/v1/joining": ({ request }) => {
      need(request, "devices.manage");
      return { window: openWindow(), fingerprint: "5a".repeat(32), claims: state.claims.map(claimView) };
    },
    "POST /api/v1/joining/window": ({ request, body }) => {
      const who = need(request, "devices.manage");
      const letters = Array.from(randomBytes(10), (byte) => LETTERS[byte % LETTERS.length]).join("");
      state.window = body.open ? { key: `${letters.slice(0, 5)}-${letters.slice(5)}`, closes: now() + WINDOW_S } : null;
      log(who.staff, "joining.window", body.open ? "open" : "closed");
      return openWindow();
    },
    "POST /api/v1/joining/claims/:id": ({ request, parameters, body }) => {
      const who = need(request, "devices.manage");
      const claim = state.claims.find((each) => each.id === Number(parameters.id));
      if (!claim) throw new Problem(404, "not-found", `request ${parameters.id} was not found`);
      const end = () => {
        state.claims = state.claims.filter((each) => each !== claim);
      };
      if (!body.approve) {
        end();
        log(who.staff, "joining.refuse", `serial ${claim.serial}`);
        return { state: "refused", device: null };
      }
      if ((body.code ?? "").replace(/\D/g, "") !== CODE) {
        claim.tries -= 1;
        if (claim.tries === 0) end();
        throw new Problem(422, "invalid", `code: not the code this device shows; ${claim.tries} more tries`, { field: "code", reason: "code-wrong", facts: { tries_left: claim.tries } });
      }
      if (claim.clash && !body.replace) throw new Problem(422, "invalid", "replace: this serial number is known: expected replace = true", { field: "replace", reason: "serial-known", facts: { serial: claim.serial } });
      for (const twin of devices.filter((each) => each.serial === claim.serial)) twin.state = "retired";
      const known = devices.findIndex((each) => each.device === body.device);
      if (known >= 0 && devices[known].state !== "retired") throw new Problem(409, "conflict", `device id ${body.device} is taken`, { reason: "id-taken", facts: { device: body.device } });
      if (known >= 0) devices.splice(known, 1);
      const { vendor, model, serial, firmware, kind } = claim;
      devices.push(device({ ...blank, device: body.device, kind, name: body.name || body.device, counter: body.counter ?? null, vendor, model, serial, firmware }));
      note(find(body.device), "approved", [vendor, model, serial, firmware].filter(Boolean).join(" "), who.staff);
      end();
      log(who.staff, "joining.approve", `${body.device} serial ${serial}`);
      return { state: "approved", device: body.device };
    },
  });
  return { devices, routes };
}

/** What the device file holds: plain data, or facts. */
const entry = (at, what, detail, who, alarm) => ({ at, what, detail: typeof detail === "string" ? detail : "", facts: typeof detail === "string" ? null : detail, who, alarm });
const done = (what, ticket = null, text = null) => ({ what, ticket, counter: null, text });
function settingProblem(problem) {
  const [, key, expected, found] = /^settings\.(.+?): expected (.+), found (.*)$/.exec(problem);
  return new Problem(422, "invalid", `settings: ${problem}`, { field: "settings", reason: "setting", facts: { key, expected, found } });
}
const blank = { driver: "mqtt", state: "active", reason: null, connected: false, address: null, last_report: null, reports: 0, dead_letters: 0, clock_suspect: false, vendor: null, model: null, serial: null, firmware: null, health: { status: "unknown", detail: "" } };
const device = (fields) => ({ ...fields });

function makeDevices(day, stamp, now) {
  const make = (id, kind, name, counter, extra = {}) => ({ ...blank, device: id, kind, name, counter, connected: true, address: `192.168.8.${20 + id.length}`, last_report: stamp(now() - 30), reports: 420, health: { status: "up", detail: "" }, ...extra });
  const kiosk = (serial, model = "ZT-2100") => ({ vendor: "证通", model, serial, firmware: "3.2.1" });
  const wired = (driver, settings, from_file = false) => ({ driver, settings, from_file, connected: null, address: null });
  const part = (kind, ago, state) => ({ kind, time: stamp(now() - ago), state });
  const found = [
    make("tm-1", "ticket-machine", "取号机 1", null, { reports: 812, vendor: "航天信息", model: "QM-17", serial: "QM17-20190311", firmware: "2.0.8" }),
    make("tm-2", "ticket-machine", "取号机 2", null, { health: { status: "down", detail: "offline since 10:02, will received" }, connected: false, last_report: stamp(now() - 2000), dead_letters: 4 }),
    make("kiosk-1", "kiosk", "自助终端 1", null, {
      ...kiosk("ZT2100-004411"),
      clock_suspect: true,
      health: { status: "degraded", detail: "paper jammed" },
      parts: [
        part("kiosk.health", 40, { in_service: false, paper: "jammed", cash_box: "high", faults: ["PRN-E07 cutter blocked"] }),
        part("device.alarm", 300, { alarm: "door", severity: "major", text: "service door open" }),
        part("printer.health", 45, { online: true, paper: "low", cover_open: false, cutter_fault: true, toner: "ok", head_temp: 41 }),
      ],
    }),
    make("kiosk-2", "kiosk", "自助终端 2", null, { ...kiosk("ZT2100-004412"), parts: [part("kiosk.health", 25, { in_service: true, paper: "low", cash_box: "ok" })] }),
    make("kiosk-3", "kiosk", "自助终端 3", null, { ...kiosk("GR-778120", "GRG-H68"), state: "suspended", reason: "third-model", connected: false, health: { status: "unknown", detail: "" } }),
    make("kiosk-4", "kiosk", "自助终端 4", null, { ...kiosk("ZT2100-003902"), state: "suspended", reason: "refused", connected: false, health: { status: "unknown", detail: "" } }),
    make("ups-1", "ups", "机房 UPS", null, { ...wired("modbus", { link: { tcp: "192.168.8.70:502" }, unit: 1, map: "sdm630" }), parts: [part("power.state", 12, { source: "battery", battery: "low", charge_percent: 34, runtime_s: 540, load_percent: 61 })] }),
    make("em-1", "energy-meter", "总电表", null, { ...wired("modbus", { link: { serial: "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0", baud: 9600, parity: "even" }, unit: 5, map: "sdm630", poll_s: 30 }), parts: [part("energy", 9, { energy_wh: 18234560, power: 4210.5, voltage: 228.4 })] }),
    make("door-1", "people-counter", "南门客流", null, { ...wired("modbus", { link: { tcp: "192.168.8.61:502" }, unit: 1, map: "adam-6050" }), parts: [part("people.count", 5, { entered: 1342, left: 1287 }), part("input.state", 700, { input: "门磁", on: true })] }),
    make("screen-3", "window-screen", "3 号窗口屏", "3", { ...wired("lihe-screen", { link: { tcp: "192.168.8.80:4001" }, address: 3, windows: { VIP: 12 } }), health: { status: "down", detail: "address 3 does not answer", trouble: "silent" }, parts: [part("screen.shown", 80, { text: "call B016", display: { show: "call", ticket: "B016", counter: "3" }, acknowledged: false })] }),
    make("th-1", "climate-sensor", "大厅温湿度", null, { ...wired("modbus", { link: { serial: "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0", baud: 4800 }, unit: 1, map: "xy-md02", poll_s: 10 }, true), parts: [part("climate", 8, { temperature: 22.4, humidity: 45.1 })] }),
    make("th-2", "climate-sensor", "等候区温湿度", null, { ...wired("modbus", { link: { tcp: "192.168.8.62:502" }, unit: 2, map: "srth" }), parts: [part("climate", 21, { temperature: 28.7, humidity: 38.2 })] }),
    make("plug-1", "other", "饮水机插座", null, { topics: ["+/tasmota_345678"], vendor: "Tasmota", model: "Sonoff S31", parts: [part("input.state", 90, { input: "POWER", on: true }), part("energy", 60, { energy_wh: 8120, power: 812.4, voltage: 229.1 })] }),
    make("pad-old", "evaluation-pad", "备用评价器", null, { state: "suspended", reason: "by-hand", connected: false, health: { status: "unknown", detail: "" } }),
    make("old-pad", "evaluation-pad", "旧评价器", "2", { state: "retired", connected: false, health: { status: "unknown", detail: "" } }),
  ];
  for (const { counter } of day.counters) {
    found.push(make(`caller-${counter}`, "caller", `呼叫器 ${counter}`, counter));
    found.push(make(`pad-${counter}`, "evaluation-pad", `评价器 ${counter}`, counter, counter === "5" ? { last_report: null, reports: 0, health: { status: "unknown", detail: "" } } : {}));
  }
  return found;
}

function makeClaims(stamp, now) {
  const claim = (id, serial, extra) => ({ id, serial, kind: "kiosk", wished: `kiosk-${serial.slice(-6)}`, vendor: "证通", model: "ZT-2100", firmware: "3.2.1", mac: "00:1b:44:11:3a:b7", address: "192.168.8.151", clash: false, other_models: null, asked: stamp(now() - 95), tries: TRIES, ...extra });
  return [
    claim(41, "ZT2100-004820", {}),
    claim(42, "ZT2100-004412", { address: "192.168.8.152", clash: true, mac: "00:1b:44:11:3a:c0", asked: stamp(now() - 400) }),
    claim(44, "GR-778121", { vendor: "广电运通", model: "GRG-H68", address: "192.168.8.154", other_models: ["ZT-2100", "ZT-1800"], asked: stamp(now() - 200) }),
    claim(43, "PAD-7712", { kind: "evaluation-pad", wished: "evaluation-pad-ad7712", vendor: null, model: null, firmware: null, mac: null, address: "192.168.8.153", asked: stamp(now() - 4000) }),
  ];
}
const change = (part, before, after) => ({ part, before, after });
function makeRequests(stamp, now) {
  return [
    { id: 7, device: "kiosk-2", what: "identity", changes: [change("serial", "ZT2100-004412", "ZT2100-009001"), change("mac", "00:1b:44:11:3a:c0", "00:1b:44:11:90:01")], owner: null, models: [], asked: stamp(now() - 5400) },
    { id: 8, device: "kiosk-3", what: "third-model", changes: [change("model", null, "GRG-H68")], owner: null, models: ["ZT-2100", "ZT-1800"], asked: stamp(now() - 3000) },
    { id: 9, device: "tm-1", what: "serial-clash", changes: [change("serial", null, "QM17-20190311")], owner: "tm-2", models: [], asked: stamp(now() - 700) },
  ];
}
function makeCommands(stamp, now) {
  const command = (id, what, kind, state, ago, extra = {}) => ({ id, kind, ...what, state, failure: null, reason: null, asked_by: "hall", asked: stamp(now() - ago), expires: stamp(now() - ago + 60), ended: state === "init" ? null : stamp(now() - ago + 2), attempts: 1, ...extra });
  return [
    ["screen-3", [command(812, done("call", "B016"), "display", "failed", 80, { failure: "unanswered", reason: "the screen did not acknowledge", attempts: 3 }), command(811, done("serving", "B015"), "display", "successful", 300), command(803, done("text", null, "请排队等候，谢谢"), "display", "successful", 2400, { asked_by: "1001" })]],
    ["kiosk-1", [command(815, done("restart"), "restart", "init", 20, { asked_by: "1001", expires: stamp(now() + 280), attempts: 2 }), command(796, done("restart"), "restart", "failed", 40000, { asked_by: "1001", failure: "refused", reason: "有顾客正在使用" }), command(790, done("restart"), "restart", "failed", 90000, { asked_by: "1001", failure: "expired", reason: "expired before the device did it" })]],
  ];
}
/** What a person asks for goes through its states in real seconds, so that it can be watched. */
function advance({ born, ...command }, stamp, now) {
  if (born === undefined) return command;
  const seconds = (Date.now() - born) / 1000;
  if (seconds < 2) return command;
  if (seconds < 5) return { ...command, state: "executing", attempts: 1 };
  return { ...command, state: "successful", attempts: 1, ended: stamp(now()) };
}

function makeFile(device, stamp, now) {
  const event = (ago, what, detail, who = "hall", alarm = null) => entry(stamp(now() - ago), what, detail, who, alarm);
  const registered = event(86400 * 40, "registered", device.kind);
  if (device.kind !== "kiosk") return [registered];
  return [
    device.reason === "third-model" ? event(3000, "third-model", device.model, "hall", "warning") : event(5400, "identity", { changes: [change("serial", "ZT2100-004412", "ZT2100-009001")] }, "hall", "warning"),
    event(86400 * 1.5, "restored", { from: "retired", reason: null }, "1001"),
    event(86400 * 1.6, "retired", { from: "active", reason: null }, "1001"),
    event(86400 * 2, "serial-clash", { part: "serial", value: device.serial, owner: "kiosk-1" }, "hall", "major"),
    event(86400 * 3, "decided", { about: "address", granted: false, changes: [change("address", "192.168.8.31", "192.168.8.44")], reason: "没有报备就搬了位置" }, "1001"),
    event(86400 * 3 + 600, "address", { changes: [change("address", "192.168.8.31", "192.168.8.44")] }, "hall", "warning"),
    event(86400 * 12, "firmware", "3.1.7 → 3.2.1"),
    event(86400 * 40 - 60, "credential", { kind: "password", claim: 12, until: null }),
    event(86400 * 40 - 90, "approved", `证通 ${device.model} ${device.serial} 3.1.7`, "1001"),
    registered,
  ];
}

/** A master that reads two registers every two seconds, with noise now and then. */
function linePieces(stamp, now) {
  const pieces = [];
  const step = Math.floor(now() / 20);
  for (let index = Math.max(0, step - 17); index <= step; index += 1) {
    const at = index * 20;
    pieces.push({ number: index * 2, at: stamp(at), direction: "out", hex: "010400010002200b", meanings: [{ from: 0, to: 8, text: "unit 1, input registers: read 2 from 1", good: true }] });
    const isNoisy = index % 7 === 3;
    const isRefused = index % 11 === 5;
    const answer = isRefused ? { hex: "018402c2c1", text: "unit 1, input registers: refused: exception 2" } : { hex: "01040400e001c3cb86", text: "unit 1, input registers: 224 451" };
    const noise = isNoisy ? 2 : 0;
    const length = answer.hex.length / 2;
    pieces.push({
      number: index * 2 + 1,
      at: stamp(at + 0.087),
      direction: "in",
      hex: `${isNoisy ? "ff3c" : ""}${answer.hex}`,
      meanings: [...(isNoisy ? [{ from: 0, to: 2, text: "?", good: false }] : []), { from: noise, to: noise + length, text: answer.text, good: true }],
    });
  }
  return pieces;
}
