// Tools of the walk: a browser that watches itself, axe, screenshots, and a tally of what passed.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"];
export const WIDTHS = [
  { width: 1920, height: 1080 },
  { width: 1366, height: 768 },
  { width: 360, height: 740 },
];
export const LOCALES = ["zh-CN", "en"];
const READY_MS = 15000;
/** Below the content of a page, in px. */
const MARGIN_MAX = 100;

export class Tally {
  passed = 0;
  failed = 0;

  async check(name, action) {
    try {
      await action();
      this.passed += 1;
      if (process.env.VERBOSE) console.log(`ok   ${name}`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAIL ${name}\n     ${String(error.message ?? error).split("\n").slice(0, 12).join("\n     ")}`);
    }
  }
}

export function expect(condition, message) {
  if (!condition) throw new Error(message);
}
export function equal(found, wanted, what) {
  expect(JSON.stringify(found) === JSON.stringify(wanted), `${what}: found ${JSON.stringify(found)}, expected ${JSON.stringify(wanted)}`);
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
}

/** Finds a floor and what the page shows of it at the same moment: both move on while they are read. */
export async function agree(what, read, attempts = 25) {
  let found;
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    found = await read();
    if (JSON.stringify(found.shown) === JSON.stringify(found.wanted)) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${what}: shown ${JSON.stringify(found.shown)}, server ${JSON.stringify(found.wanted)}`);
}

/** One visitor. Every request that leaves the origin and every console error is kept until it is asked for. */
export class Visitor {
  static async enter(browser, base, shots, name) {
    const context = await browser.newContext({ viewport: WIDTHS[1], locale: "zh-CN", acceptDownloads: true, ignoreHTTPSErrors: true });
    const page = await context.newPage();
    return new Visitor(context, page, new URL(base).origin, shots, name);
  }

  constructor(context, page, origin, shots, name) {
    Object.assign(this, { context, page, origin, shots, name, faults: [], tolerant: false });
    mkdirSync(shots, { recursive: true });
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (!["data:", "blob:"].includes(url.protocol) && url.origin !== origin) this.faults.push(`left the origin: ${request.url()}`);
    });
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      // The browser logs every refused request; where a refusal is what we test, that is no fault.
      if (this.tolerant && /Failed to load resource|ERR_/.test(message.text())) return;
      this.faults.push(`console: ${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => this.faults.push(`page error: ${error.message}`));
  }

  /** Runs steps in which the server is expected to refuse something. */
  async expectingRefusals(action) {
    this.tolerant = true;
    try {
      return await action();
    } finally {
      await this.page.waitForTimeout(150);
      this.tolerant = false;
    }
  }

  takeFaults() {
    const found = this.faults;
    this.faults = [];
    return found;
  }

  async open(path) {
    await this.page.goto(this.origin + path, { waitUntil: "domcontentloaded" });
    await this.ready();
  }
  async ready() {
    await this.page.waitForSelector('[data-ready="yes"]', { timeout: READY_MS });
  }
  async api(path) {
    return this.page.evaluate(async (address) => {
      const response = await fetch(address);
      if (!response.ok) throw new Error(`${address}: ${response.status}`);
      return response.json();
    }, path);
  }
  /** A failing part makes the status 503; the report is the same. */
  async health() {
    return this.page.evaluate(async () => (await fetch("/health")).json());
  }
  async setLocale(locale) {
    await this.page.evaluate((value) => localStorage.setItem("zhiban.locale", value), locale);
  }
  /** Polls here and not in the page: the page's policy forbids the evaluation that polling there would need. */
  async until(what, condition, timeoutMs = 10000) {
    const end = Date.now() + timeoutMs;
    while (!(await condition())) {
      if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
      await this.page.waitForTimeout(100);
    }
  }
  text(selector) {
    return this.page.locator(selector).first().innerText();
  }

  /** Half-faded text has half the contrast, so what moves must have come to rest. */
  async settle() {
    await this.page.waitForTimeout(120);
    await this.page.evaluate(async () => {
      const ending = document.getAnimations().filter((each) => Number.isFinite(each.effect?.getComputedTiming().endTime));
      await Promise.all(ending.map((each) => each.finished.catch(() => undefined)));
    });
  }

  async axe() {
    await this.settle();
    await this.page.evaluate(AXE);
    const found = await this.page.evaluate(async (tags) => {
      const result = await globalThis.axe.run(document, { runOnly: { type: "tag", values: tags } });
      return result.violations.map((each) => ({ id: each.id, nodes: each.nodes.map((node) => `${node.target.join(" ")} — ${node.failureSummary?.split("\n")[1]?.trim() ?? ""}`) }));
    }, TAGS);
    expect(found.length === 0, `axe: ${found.map((each) => `${each.id} ×${each.nodes.length}\n  ${each.nodes.slice(0, 4).join("\n  ")}`).join("\n")}`);
  }

  /** Nothing may stick out sideways; what is wider must scroll in a region of its own. */
  async fits() {
    const sticking = await this.page.evaluate(() => {
      const limit = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= limit + 1) return [];
      return [...document.querySelectorAll("body *")]
        .filter((element) => element.getBoundingClientRect().right > limit + 1)
        .slice(0, 5)
        .map((element) => `${element.tagName.toLowerCase()}.${element.className} right=${Math.round(element.getBoundingClientRect().right)}`);
    });
    expect(sticking.length === 0, `wider than the window: ${sticking.join(", ")}`);
    const below = await this.page.evaluate(() => {
      const content = document.querySelector("#main")?.getBoundingClientRect().bottom;
      const end = Math.max((content ?? Number.POSITIVE_INFINITY) + scrollY, innerHeight);
      return Math.round(document.documentElement.scrollHeight - end);
    });
    expect(below <= MARGIN_MAX, `the page goes on below its content for ${below} px`);
  }

  async shot(name) {
    await this.settle();
    await this.page.screenshot({ path: join(this.shots, `${this.name}-${name}.png`), animations: "disabled" });
  }

  /** The page at every width in every language: content, axe, fit, faults, picture. */
  async everywhere(tally, name, path, { prepare, assert, widths = WIDTHS } = {}) {
    for (const locale of LOCALES) {
      for (const size of widths) {
        const label = `${this.name} ${name} ${locale} ${size.width}`;
        await tally.check(label, async () => {
          await this.page.setViewportSize(size);
          await this.setLocale(locale);
          await this.open(path);
          if (prepare) await prepare(this.page);
          equal(await this.page.evaluate(() => document.documentElement.lang), locale, "html lang");
          equal(await this.page.locator("h1").count(), 1, "number of h1");
          if (assert) await assert(this.page, locale, size);
          await this.page.waitForTimeout(250);
          await this.shot(`${name}-${locale}-${size.width}`);
          await this.fits();
          await this.axe();
          equal(this.takeFaults(), [], "faults");
        });
      }
    }
    await this.page.setViewportSize(WIDTHS[1]);
    await this.setLocale("zh-CN");
  }
}
