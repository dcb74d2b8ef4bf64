// How the box looks after itself, and the first steps.
import { Problem } from "./web.mjs";

export function hallUpkeep({ need, stamp, now, quiet }) {
  const confirmed = new Set();
  let hall = { name: "新营业厅", opens: "08:30:00", closes: "18:00:00" };
  let saved = false;
  let tested = null;
  const done = { password: true, hall: () => saved, network: false, clock: true, devices: false, centre: !quiet, backup: false, alarm: () => tested !== null };
  const view = () => {
    const steps = Object.entries(done).map(([step, is]) => ({ step, done: typeof is === "function" ? is() : is, confirmed: confirmed.has(step) }));
    return {
      done: steps.every((step) => step.done || step.confirmed), steps, hall, hall_is_masters: false, restart_needed: saved, can_restart: true, page: "http://127.0.0.1:8080/",
      clock_synchronized: true, devices: 31, waiting: 2, centre_connected: quiet ? null : true, backup_folder: "/var/lib/zhiban-gateway/backups", backup_same_disk: true,
      backup_last: stamp(3.5 * 3600), backup_problem: quiet ? "/mnt/backup: No such file or directory (os error 2)" : null, alarm_tested: tested,
    };
  };
  return {
    "GET /api/v1/first-steps": ({ request }) => {
      need(request, "box.read");
      return view();
    },
    "POST /api/v1/first-steps/confirm": ({ request, body }) => {
      need(request, "box.manage");
      confirmed.add(body.step);
    },
    "PUT /api/v1/first-steps/hall": ({ request, body }) => {
      need(request, "box.manage");
      if (body.opens >= body.closes) throw new Problem(422, "invalid", `closes: expected later than ${body.opens}`, { field: "closes" });
      hall = body;
      saved = true;
    },
    "POST /api/v1/first-steps/test-alarm": ({ request }) => {
      need(request, "box.manage");
      tested = stamp(now());
    },
    "POST /api/v1/box/restart": ({ request }) => {
      need(request, "box.manage");
    },
    "GET /api/v1/upkeep": ({ request }) => {
      need(request, "box.read");
      return {
        backup: { folder: "/var/lib/zhiban-gateway/backups", at: "03:30:00", keep: 7, last: stamp(3.5 * 3600), bytes: 21_400_000, problem: quiet ? "/mnt/backup: No such file or directory (os error 2)" : null },
        update: { at: stamp(7 * 3600), outcome: quiet ? "rolled-back" : "installed", from: "0.1.0", to: "0.1.1", reason: quiet ? "did not get healthy; what it accepted was kept" : "" },
        retention: { report_days: 90, disk_percent: 50, used_bytes: 182e6, limit_bytes: 32e9, oldest_report: stamp(-30 * 86400), dropped: quiet ? [{ what: "report", rows: 24000, since: stamp(0), last: stamp(3600) }] : [] },
      };
    },
  };
}
