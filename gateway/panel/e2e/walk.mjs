// A walk through both panels in a real browser: first boot, sign-in, every page at three widths in two languages,
// with axe, content checks and screenshots. Works against the mock and against the real programs.
//   HALL_URL CENTRE_URL   addresses (the mock's by default; an empty one skips that panel)
//   HALL_CODE CENTRE_CODE setup codes, needed while a program is not set up
//   STAFF NAME PASSWORD   account to create or to use
//   CENTRE_DAY            day to compare when today has no data (yyyy-MM-dd)
//   SHOTS_DIR VERBOSE CHROMIUM
import { launch, Tally } from "./browser.mjs";
import { walkCentre } from "./centre.mjs";
import { walkHall } from "./hall.mjs";

const {
  HALL_URL = "http://127.0.0.1:8701",
  CENTRE_URL = "http://127.0.0.1:8702",
  HALL_CODE = "HALL-MOCK-CODE",
  CENTRE_CODE = "CNTR-MOCK-CODE",
  SHOTS_DIR = "/tmp/shots",
  STAFF = "1001",
  NAME = "王芳",
  PASSWORD = "quiet river 42",
  CENTRE_DAY = "",
} = process.env;

const account = { staff: STAFF, name: NAME, password: PASSWORD };
const tally = new Tally();
const browser = await launch();
/** One panel; what breaks it off is told and does not end the other's walk. */
async function walk(base, through) {
  if (!base) return;
  try {
    await through();
  } catch (error) {
    tally.failed += 1;
    console.log(`FAIL the walk through ${base} broke off\n     ${error.stack}`);
  }
}

// Side by side: a browser draws two pages on two cores.
const hall = () => walkHall(browser, tally, { base: HALL_URL, code: HALL_CODE, shots: SHOTS_DIR, account });
const centre = () => walkCentre(browser, tally, { base: CENTRE_URL, code: CENTRE_CODE, shots: SHOTS_DIR, account, day: CENTRE_DAY });
await Promise.all([walk(HALL_URL, hall), walk(CENTRE_URL, centre)]);
await browser.close();
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);
