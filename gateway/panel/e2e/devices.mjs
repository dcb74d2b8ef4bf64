// Devices: the board, joining, wired devices, the pages of one device. What waits for a person, and devices with parts,
// are walked where there are any: a fresh hall has none.
import { equal, expect } from "./browser.mjs";

const DESK = [{ width: 1366, height: 768 }];
/** Of the mock: the code this device would show. */
const SHOWN = { serial: "ZT2100-004820", code: "402913" };
const path = (device) => `/devices/${encodeURIComponent(device)}`;

export async function walkDevices(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "devices", "/devices", {
    assert: async () => {
      const { devices } = await visitor.api("/api/v1/devices");
      const { requests } = await visitor.api("/api/v1/device-requests");
      const { claims } = await visitor.api("/api/v1/joining");
      equal(await page.locator("main table tbody tr").count(), devices.filter((device) => device.state !== "retired").length, "device rows");
      await visitor.until("a card for each that waits", async () => (await page.locator('[data-board="waiting"] li').count()) === requests.length + claims.length);
      const waiting = page.locator("nav [data-waiting]");
      if (requests.length + claims.length > 0) await visitor.until("the navigation tells that something waits", async () => (await waiting.count()) === 1);
      equal(await page.locator('[data-board="suspended"] li').count(), devices.filter((device) => device.state === "suspended" && !requests.some((request) => request.device === device.device)).length, "suspended devices");
    },
  });
  await devicePages(visitor, tally);
  await visitor.everywhere(tally, "letters", "/devices/dead-letters", {
    prepare: async () => {
      const details = page.locator(".letter summary").first();
      if ((await details.count()) > 0) await details.click();
    },
    assert: async () => {
      const letters = await visitor.api("/api/v1/dead-letters?limit=50");
      equal(await page.locator(".letter").count(), letters.letters.length, "letters");
    },
  });
  await manual(visitor, tally);
  await wired(visitor, tally);
  await joining(visitor, tally);
  await requests(visitor, tally);
  await shutOut(visitor, tally);
  await commands(visitor, tally);
}

async function devicePages(visitor, tally) {
  const { page } = visitor;
  const all = (await visitor.api("/api/v1/devices")).devices;
  const speaker = all.find((device) => device.reports > 0) ?? all[0];
  const kinds = new Map([["device", speaker]]);
  const present = all.filter((device) => device.state === "active");
  kinds.set("device-kiosk", present.find((device) => device.kind === "kiosk"));
  kinds.set("device-wired", present.find((device) => device.connected === null));
  kinds.set("device-suspended", all.find((device) => device.state === "suspended"));
  for (const [name, device] of kinds) {
    if (!device) continue;
    await visitor.everywhere(tally, name, path(device.device), {
      assert: async () => {
        expect((await visitor.text("main")).includes(device.device), "the device id is missing");
        const { parts } = await visitor.api(`/api/v1${path(device.device)}`);
        equal(await page.locator("[data-parts] li").count(), parts.length, "parts");
      },
    });
  }
  const tab = async (name, device) => {
    if (!device) return;
    await visitor.everywhere(tally, `device-${name}`, `${path(device.device)}?tab=${name}`, {
      prepare: async () => {
        await page.waitForSelector('[data-tab-ready="true"]');
        // The picture is of what the tab shows.
        await page.locator(".tabs").evaluate((tabs) => tabs.scrollIntoView());
      },
    });
  };
  const foreign = present.find((device) => device.connected !== null && device.kind === "other");
  await tab("topics", foreign ?? present.find((device) => device.connected !== null));
  await tab("file", present.find((device) => device.kind === "kiosk") ?? speaker);
  const wiredDevice = kinds.get("device-wired");
  await tab("line", wiredDevice);
  await tab("settings", wiredDevice);
  await visitor.expectingRefusals(() => visitor.everywhere(tally, "device-unknown", "/devices/no-such-device", { widths: DESK }));
}

/** A device that gets a password: added, changed, renewed, retired, and taken back. */
async function manual(visitor, tally) {
  const { page } = visitor;
  await tally.check("hall add, edit, renew, retire a device, and take it back", async () => {
    const id = `walk-${String(Date.now()).slice(-7)}`;
    await visitor.open("/devices");
    await page.locator("[data-add]").click();
    await page.waitForSelector('[data-dialog="add"]');
    await visitor.axe();
    await visitor.shot("device-add-choice");
    await page.locator('[data-way="manual"]').click();
    await page.fill('input[name="device"]', "排队机/1");
    await page.fill('input[name="device-name"]', "巡检取号机");
    await page.selectOption('select[name="topic-form"]', "tasmota");
    await page.fill('input[name="topic-topic"]', "tasmota_walk");
    expect((await visitor.text(".topics .note")).includes("+/tasmota_walk"), "the topic of a plug is missing");
    await page.selectOption('select[name="topic-form"]', "own");
    expect(await page.locator('.el-dialog button[type="submit"]').isDisabled(), "an id with a slash is accepted");
    await page.fill('input[name="device"]', id);
    await visitor.axe();
    await visitor.shot("device-add");
    await page.locator('.el-dialog button[type="submit"]').click();
    await page.waitForSelector('[data-dialog="secret"]');
    const secret = await page.locator('[data-dialog="secret"] .copy input').inputValue();
    expect(secret.length >= 12, `the secret is too short: ${secret.length}`);
    expect((await visitor.text('[data-dialog="secret"]')).includes(`te/device/${id}///e/`), "the topic is missing");
    await visitor.axe();
    await visitor.shot("device-secret");
    await page.locator('[data-dialog="secret"] .el-button--primary').click();
    await page.waitForSelector('[data-dialog="secret"]', { state: "detached" });
    const row = page.locator("main tbody tr", { hasText: id });
    await row.locator('[data-action="edit"]').click();
    await page.fill('.el-dialog input[name="device-name"]', "南门取号机");
    await page.fill('.el-dialog input[name="counter"]', "77");
    await visitor.axe();
    await visitor.shot("device-edit");
    await page.locator('.el-dialog button[type="submit"]').click();
    await visitor.until("the new name", async () => (await row.innerText()).includes("南门取号机") && (await row.innerText()).includes("77"));
    await page.locator("[data-undo]").click();
    await visitor.until("the old name", async () => (await row.innerText()).includes("巡检取号机"));
    await visitor.open(`/devices/${id}`);
    await page.locator('[data-action="secret"]').click();
    await page.locator(".el-dialog .el-button--danger").click();
    await page.waitForSelector('[data-dialog="secret"]');
    const second = await page.locator('[data-dialog="secret"] .copy input').inputValue();
    expect(second.length >= 12 && second !== secret, "the new secret is not new");
    await page.locator('[data-dialog="secret"] .el-button--primary').click();
    await page.waitForSelector('[data-dialog="secret"]', { state: "detached" });
    await visitor.open("/devices");
    await page.fill('.filters input[name="q"]', id);
    await visitor.until("only this device is found", async () => (await page.locator("main table tbody tr").count()) === 1);
    await page.fill('.filters input[name="q"]', "");
    await row.locator('[data-action="retire"]').click();
    await visitor.until("the retired device leaves the list", async () => (await row.count()) === 0);
    await visitor.axe();
    await visitor.shot("device-retired");
    await page.locator("[data-undo]").click();
    await visitor.until("it is back", async () => (await row.count()) === 1);
    await row.locator('[data-action="retire"]').click();
    await visitor.until("the retired device leaves the list again", async () => (await row.count()) === 0);
    equal(visitor.takeFaults(), [], "faults");
  });
}

/** A wired device where nobody answers is a device all the same. */
async function wired(visitor, tally) {
  const { page } = visitor;
  await visitor.everywhere(tally, "wired", "/devices/-/wired", {
    assert: async () => equal(await page.locator("[data-driver]").count(), (await visitor.api("/api/v1/drivers")).drivers.length, "kinds of device"),
  });
  await visitor.everywhere(tally, "wired-form", "/devices/-/wired?driver=modbus", {
    prepare: async () => {
      await page.waitForSelector('[data-field="map"]');
      const search = page.locator("details.search > summary");
      if ((await search.count()) > 0) await search.click();
    },
  });
  for (const { name } of (await visitor.api("/api/v1/drivers")).drivers) {
    await visitor.everywhere(tally, `wired-${name}`, `/devices/-/wired?driver=${name}`, { widths: DESK, prepare: () => page.waitForSelector('[data-wire="save"]') });
  }
  await tally.check("hall add a wired device, see its mistakes named, change it, retire it", async () => {
    const id = `wire-${String(Date.now()).slice(-7)}`;
    await visitor.open("/devices");
    await page.locator("[data-add]").click();
    await page.locator('[data-way="wired"]').click();
    await page.fill('input[name="driver-search"]', "modbus");
    await page.locator('[data-driver="modbus"]').click();
    await page.locator('[data-field="link"] input[type="radio"][value="tcp"]').check();
    await page.fill('input[name="device"]', id);
    await page.fill('input[name="device-name"]', "巡检温湿度");
    await page.locator('[data-wire="save"]').click();
    await visitor.until("what is missing is named", async () => (await page.locator('[data-field="map"] [role="alert"]').count()) === 1 && (await page.locator('[data-field="link"] [role="alert"]').count()) === 1);
    await visitor.axe();
    await visitor.shot("wired-missing");
    await page.fill('input[name="link-tcp"]', "no-port");
    await page.selectOption('select[name="map"]', "srth");
    await visitor.expectingRefusals(async () => {
      await page.locator('[data-wire="save"]').click();
      await visitor.until("the server's word stands at its field", async () => /host:port/.test((await page.locator('[data-field="link"] [role="alert"]').allInnerTexts()).join()));
    });
    await visitor.shot("wired-wrong");
    await page.fill('input[name="link-tcp"]', "127.0.0.1:1");
    await page.locator('[data-wire="save"]').click();
    await page.waitForURL((url) => url.pathname === path(id));
    await visitor.ready();
    await page.waitForSelector('[data-tab="settings"]');
    await page.locator('[data-tab="line"]').click();
    await page.waitForSelector('[data-tab-ready="true"]');
    await visitor.axe();
    await visitor.shot("wired-line-quiet");
    await page.locator('[data-tab="settings"]').click();
    await page.waitForSelector('[data-field="poll_s"]');
    await page.fill('input[name="poll_s"]', "60");
    await page.locator('[data-settings="save"]').click();
    await visitor.until("the change is said", async () => (await visitor.text(".saved")) !== "");
    equal((await visitor.api(`/api/v1${path(id)}`)).settings.poll_s, 60, "the changed setting");
    await page.locator('[data-tab="file"]').click();
    await visitor.until("its file has begun", async () => (await page.locator(".trail li").count()) > 0);
    await page.locator('[data-action="retire"]').click();
    await page.waitForSelector("[data-undo]");
    equal((await visitor.api(`/api/v1${path(id)}`)).state, "retired", "state");
    await page.locator("[data-undo]").click();
    await visitor.until("it is back", async () => (await visitor.api(`/api/v1${path(id)}`)).state === "active");
    await page.locator('[data-action="retire"]').click();
    await visitor.until("it is retired", async () => (await visitor.api(`/api/v1${path(id)}`)).state === "retired");
    equal(visitor.takeFaults(), [], "faults");
  });
  const looksFor = (await visitor.api("/api/v1/drivers")).drivers.find((driver) => driver.discovers);
  if (!looksFor) return;
  await tally.check("hall look for devices on an address", async () => {
    await visitor.open(`/devices/-/wired?driver=${looksFor.name}`);
    await page.locator("details.search > summary").click();
    await page.fill('input[name="network"]', "127.0.0.1/32");
    await page.locator("details.search button[type=submit]").click();
    await visitor.until("it says what came of it", async () => (await page.locator("details.search progress").count()) === 0 && (await visitor.text('details.search [role="status"]')).length > 0, 30000);
    await visitor.axe();
    await visitor.shot("wired-search");
    const found = page.locator("details.search .one").first();
    if ((await found.count()) > 0) {
      await found.click();
      expect((await page.inputValue('input[name="link-tcp"]')).includes(":"), "what was found does not fill in the form");
    }
    equal(visitor.takeFaults(), [], "faults");
  });
}

async function joining(visitor, tally) {
  const { page } = visitor;
  await tally.check("hall open the window for new devices", async () => {
    await visitor.open("/devices");
    await page.locator("[data-add]").click();
    await page.locator('[data-way="join"]').click();
    await page.waitForURL((url) => url.pathname === "/devices/-/join");
    await page.waitForSelector('[data-window="open"]');
    const { window } = await visitor.api("/api/v1/joining");
    equal((await visitor.text('[data-window="open"] .key')).trim(), window.key, "the claim key");
    const before = await visitor.text('[role="timer"]');
    await page.waitForTimeout(1700);
    expect(before !== (await visitor.text('[role="timer"]')), "the countdown stands still");
    await page.locator("[data-window-close]").click();
    await page.waitForSelector('[data-window="closed"]');
    equal((await visitor.api("/api/v1/joining")).window, null, "the window");
    equal(visitor.takeFaults(), [], "faults");
  });
  await visitor.everywhere(tally, "join", "/devices/-/join", {
    prepare: async () => {
      await page.waitForSelector("[data-window]");
      const open = page.locator("[data-window-open]");
      if ((await open.count()) > 0) await open.click();
      await page.waitForSelector('[data-window="open"]');
    },
  });
  await visitor.everywhere(tally, "join-closed", "/devices/-/join", {
    widths: DESK,
    prepare: async () => {
      await page.waitForSelector("[data-window]");
      const close = page.locator("[data-window-close]");
      if ((await close.count()) > 0) await close.click();
      await page.waitForSelector('[data-window="closed"]');
    },
  });
  const { claims } = await visitor.api("/api/v1/joining");
  const clash = claims.find((claim) => claim.clash);
  for (const [name, claim] of [["claim", claims.find((each) => !each.clash)], ["claim-clash", clash]]) {
    if (!claim) continue;
    await visitor.everywhere(tally, name, "/devices", {
      prepare: async () => {
        await page.locator(`[data-open="claim-${claim.id}"]`).click();
        await page.waitForSelector('[data-dialog="claim"]');
      },
      assert: async () => {
        expect((await visitor.text('[data-dialog="claim"]')).includes(claim.serial), "the serial number is missing");
        await visitor.until("the code has the focus", () => page.evaluate(() => document.activeElement?.getAttribute("name") === "code"));
        expect(await page.locator('[data-claim="approve"]').isDisabled(), "a device is let in without its code");
      },
    });
  }
  const known = claims.find((claim) => claim.serial === SHOWN.serial);
  if (!known) return;
  await tally.check("hall let a device in: wrong code, then the right one", async () => {
    await visitor.open("/devices");
    await page.locator(`[data-open="claim-${known.id}"]`).click();
    await page.fill('input[name="code"]', "000-000");
    equal(await page.inputValue('input[name="code"]'), "000000", "a pasted code");
    await visitor.expectingRefusals(async () => {
      await page.locator('[data-claim="approve"]').click();
      await page.waitForSelector('#code-note[role="alert"]');
    });
    expect(/4/.test(await visitor.text("#code-note")), "the tries left are not said");
    await visitor.axe();
    await visitor.shot("claim-wrong");
    await page.fill('input[name="code"]', SHOWN.code);
    await page.locator('[data-claim="approve"]').click();
    await page.waitForSelector('[data-dialog="claim"]', { state: "detached" });
    await visitor.until("it is among the devices", async () => (await visitor.api("/api/v1/devices")).devices.some((device) => device.serial === known.serial));
    await visitor.shot("claim-approved");
    if (clash) {
      await page.locator(`[data-open="claim-${clash.id}"]`).click();
      await page.locator('[data-claim="refuse"]').click();
      await page.fill('input[name="reason"]', "这台设备属于别的营业厅");
      await visitor.axe();
      await visitor.shot("claim-refuse");
      await page.locator('[data-claim="refuse-now"]').click();
      await visitor.until("the card is gone", async () => (await page.locator(`[data-open="claim-${clash.id}"]`).count()) === 0);
    }
    equal(visitor.takeFaults(), [], "faults");
  });
}

async function requests(visitor, tally) {
  const { page } = visitor;
  const waiting = (await visitor.api("/api/v1/device-requests")).requests;
  for (const { id, what } of waiting) {
    await visitor.everywhere(tally, `request-${what}`, "/devices", {
      prepare: async () => {
        await page.locator(`[data-open="request-${id}"]`).click();
        await page.waitForSelector('[data-dialog="request"]');
      },
    });
  }
  const third = waiting.find((request) => request.what === "third-model");
  if (!third) return;
  await tally.check("hall grant a change", async () => {
    await visitor.open("/devices");
    await page.locator(`[data-open="request-${third.id}"]`).click();
    await page.locator('[data-decide="grant"]').click();
    await visitor.until("the card is gone", async () => (await page.locator(`[data-open="request-${third.id}"]`).count()) === 0);
    equal((await visitor.api(`/api/v1${path(third.device)}`)).state, "active", "state");
    await visitor.shot("request-granted");
    equal(visitor.takeFaults(), [], "faults");
  });
}

/** A person shuts a device out with a reason, and takes it back; so does a refused change. */
async function shutOut(visitor, tally) {
  const { page } = visitor;
  const device = (await visitor.api("/api/v1/devices")).devices.find((each) => each.state === "active" && each.connected !== null && each.asks.length === 0);
  const stateOf = async (id) => (await visitor.api(`/api/v1${path(id)}`)).state;
  if (!device) return;
  await tally.check("hall suspend a device with a reason, and take it back", async () => {
    await visitor.open(path(device.device));
    await page.locator('[data-action="suspend"]').click();
    await page.fill('[data-dialog="suspend"] input[name="reason"]', "送修");
    await visitor.axe();
    await visitor.shot("device-suspend");
    await page.locator('[data-dialog="suspend"] button[type="submit"]').click();
    await page.waitForSelector("[data-undo]");
    equal(await stateOf(device.device), "suspended", "state");
    await page.locator('[data-tab="file"]').click();
    await visitor.until("the reason is in the file", async () => (await visitor.text(".trail li")).includes("送修"));
    await page.locator("[data-undo]").click();
    await visitor.until("it is back", async () => (await stateOf(device.device)) === "active");
    equal(visitor.takeFaults(), [], "faults");
  });
  const asked = (await visitor.api("/api/v1/device-requests")).requests.find((request) => request.what === "identity");
  if (!asked) return;
  await tally.check("hall refuse a change with a reason, where the device is shown", async () => {
    await visitor.open(path(asked.device));
    await page.locator("[data-decide-here]").click();
    await page.locator('[data-decide="refuse"]').click();
    await page.fill('[data-dialog="request"] input[name="reason"]', "没有报备");
    await page.locator('[data-decide="refuse-now"]').click();
    await visitor.until("it is shut out", async () => (await stateOf(asked.device)) === "suspended");
    const { events } = await visitor.api(`/api/v1${path(asked.device)}/file`);
    equal(events[0].facts.reason, "没有报备", "the reason in the file");
    await page.locator('[data-action="revive"]').click();
    await visitor.until("it is back", async () => (await stateOf(asked.device)) === "active");
    equal(visitor.takeFaults(), [], "faults");
  });
}

async function commands(visitor, tally) {
  const { page } = visitor;
  const all = (await visitor.api("/api/v1/devices")).devices;
  const screen = all.find((device) => device.kind === "window-screen" && device.state === "active");
  if (!screen) return;
  await tally.check("hall show a text on a screen", async () => {
    await visitor.open(path(screen.device));
    await page.locator('[data-command="text"]').click();
    await page.waitForSelector('[data-dialog="command"]');
    await page.fill('textarea[name="text"]', "请到三号窗口");
    await visitor.axe();
    await visitor.shot("command-text");
    await page.locator('[data-dialog="command"] button[type="submit"]').click();
    await page.waitForSelector('[data-dialog="command"]', { state: "detached" });
    await visitor.until("it is in the list", async () => (await page.locator("[data-commands] tbody tr").first().innerText()).includes("请到三号窗口"));
    await visitor.shot("command-asked");
    equal(visitor.takeFaults(), [], "faults");
  });
  const restartable = all.find((device) => device.state === "active" && device.connected);
  if (!restartable) return;
  await tally.check("hall a restart is asked about first", async () => {
    await visitor.open(path(restartable.device));
    await page.locator('[data-command="restart"]').click();
    await page.waitForSelector('[data-dialog="command"]');
    await visitor.axe();
    await visitor.shot("command-restart");
    await page.keyboard.press("Escape");
    equal(visitor.takeFaults(), [], "faults");
  });
}

/** Who may only look sees the pages, and nothing they may not do. */
export async function lookAtDevices(colleague) {
  const { page } = colleague;
  await colleague.open("/devices");
  equal(await page.locator("[data-add], [data-action], [data-board] button").count(), 0, "buttons for managing");
  await colleague.axe();
  await colleague.shot("devices");
  const all = (await colleague.api("/api/v1/devices")).devices;
  const device = all.find((each) => each.connected === null && each.state === "active") ?? all[0];
  if (!device) return;
  await colleague.open(path(device.device));
  equal(await page.locator('[data-tab="line"], [data-action]').count(), 0, "what needs the right to manage");
  await colleague.axe();
  await colleague.shot("device");
  if (device.connected !== null) return;
  await colleague.open(`${path(device.device)}?tab=settings`);
  await page.waitForSelector('[data-tab-ready="true"]');
  equal(await page.locator('[data-settings="save"]').count(), 0, "save buttons");
  await colleague.axe();
  await colleague.shot("device-settings");
}
