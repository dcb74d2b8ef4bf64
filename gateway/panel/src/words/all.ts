// Every word of the panels; the wall display has its own.
import { auditWords } from "./audit";
import { boardWords } from "./board";
import { boxWords } from "./box";
import { compareWords } from "./compare";
import { deviceWords } from "./device";
import { devicesWords } from "./devices";
import { floorWords } from "./floor";
import { halldayWords } from "./hallday";
import { joiningWords } from "./joining";
import { kitWords } from "./kit";
import { lettersWords } from "./letters";
import { mastersWords } from "./masters";
import { peopleWords } from "./people";
import { rowsWords } from "./rows";
import { stepsWords } from "./steps";
import { storesWords } from "./stores";
import { ticketsWords } from "./tickets";
import { trustWords } from "./trust";
import { wiredWords } from "./wired";
import type { Words } from "./words";

const PAGES: readonly Words[] = [
  kitWords,
  peopleWords,
  auditWords,
  floorWords,
  ticketsWords,
  devicesWords,
  boardWords,
  joiningWords,
  wiredWords,
  deviceWords,
  lettersWords,
  boxWords,
  stepsWords,
  compareWords,
  storesWords,
  halldayWords,
  rowsWords,
  trustWords,
  mastersWords,
];

/** Groups of all pages; a name that two pages use is a fault a test finds. */
export const allWords: Words = Object.assign({}, ...PAGES);
export const GROUPS: readonly string[] = PAGES.flatMap((page) => Object.keys(page));
