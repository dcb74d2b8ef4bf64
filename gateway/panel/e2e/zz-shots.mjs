import { launch, Tally, Visitor } from "./browser.mjs";
import { firstBoot } from "./door.mjs";
const account = { staff: "1001", name: "王芳", password: "quiet river 42" };
const base = "http://127.0.0.1:8701", shots = "/tmp/shots";
const browser = await launch();
const v = await Visitor.enter(browser, base, shots, "p");
const { page } = v;
await page.goto(base); await v.ready();
const s = await v.api("/api/v1/session");
if (s.setup_needed) {
  await page.fill('input[name="code"]', "HALL-MOCK-CODE"); await page.fill('input[name="staff"]', account.staff); await page.fill('input[name="name"]', account.name);
  await page.fill('input[name="password"]', account.password); await page.fill('input[name="repeated"]', account.password);
  await page.locator('button[type="submit"]').click(); await page.waitForURL((u) => u.pathname === "/"); await v.ready();
} else {
  await page.goto(base + "/sign-in"); await v.ready(); await page.fill('input[name="staff"]', account.staff); await page.fill('input[name="password"]', account.password); await page.click('button[type="submit"]'); await page.waitForURL((u) => u.pathname !== "/sign-in");
}
const tally = new Tally();
const click = (sel) => async () => { await page.locator(sel).first().click(); await page.waitForSelector(".el-dialog"); };
const tab = async () => { await page.waitForSelector('[data-tab-ready="true"]'); await page.locator(".tabs").evaluate((t) => t.scrollIntoView()); };
const all = [
  ["devices", "/devices"],
  ["kiosk", "/devices/kiosk-1"], ["kiosk-suspended", "/devices/kiosk-3"], ["kiosk-provisional", "/devices/kiosk-2"], ["by-hand", "/devices/pad-old"], ["retired", "/devices/old-pad"],
  ["screen", "/devices/screen-3"], ["ups", "/devices/ups-1"], ["th-file", "/devices/th-1"], ["plug", "/devices/plug-1"], ["caller", "/devices/caller-1"], ["tm-2", "/devices/tm-2"],
  ["plug-topics", "/devices/plug-1?tab=topics", tab],
  ["file", "/devices/kiosk-1?tab=file", tab], ["line", "/devices/screen-3?tab=line", tab], ["settings", "/devices/screen-3?tab=settings", tab], ["settings-file", "/devices/th-1?tab=settings", tab],
  ["claim", "/devices", click('[data-open="claim-41"]')], ["claim-clash", "/devices", click('[data-open="claim-42"]')], ["claim-third", "/devices", click('[data-open="claim-44"]')],
  ["request-identity", "/devices", click('[data-open="request-7"]')], ["request-third", "/devices", click('[data-open="request-8"]')], ["request-clash", "/devices", click('[data-open="request-9"]')],
  ["request-refuse", "/devices", async () => { await click('[data-open="request-7"]')(); await page.locator('[data-decide="refuse"]').click(); }],
  ["suspend", "/devices/kiosk-1", click('[data-action="suspend"]')],
  ["add", "/devices", click("[data-add]")],
  ["add-manual", "/devices", async () => { await click("[data-add]")(); await page.locator('[data-way="manual"]').click(); await page.selectOption('select[name="topic-form"]', "sparkplug"); await page.fill('input[name="topic-group"]', "hall"); await page.fill('input[name="topic-node"]', "n1"); }],
  ["join", "/devices/-/join", async () => { await page.waitForSelector("[data-window]"); const o = page.locator("[data-window-open]"); if (await o.count()) await o.click(); await page.waitForSelector('[data-window="open"]'); }],
  ["wired", "/devices/-/wired"], ["wired-form", "/devices/-/wired?driver=lihe-screen", async () => { await page.waitForSelector('[data-wire="save"]'); await page.locator('[data-wire="save"]').click(); await page.waitForTimeout(300); }],
  ["letters", "/devices/dead-letters"],
];
const only = process.argv[2]?.split(",");
for (const [name, path, prepare] of all) if (!only || only.includes(name)) await v.everywhere(tally, name, path, { prepare });
console.log(tally.passed, tally.failed);
await browser.close();
