// Development only: both programs without Rust. `npm run mock`, then the built pages are on the printed addresses, or
// `npm run dev` (PANEL=centre HALL_URL=http://127.0.0.1:8702 npm run dev for the centre) for live editing.
// MOCK_SPEED clock speed (1 is real time), MOCK_BIG=1 sixteen queues and twenty counters, MOCK_QUIET=1 nothing known yet,
// MOCK_HALLS so many more halls in the tree of the organization.
import { central } from "./central.mjs";
import { gateway } from "./gateway.mjs";
import { program } from "./web.mjs";

const speed = Number(process.env.MOCK_SPEED ?? 10);
const options = { speed, big: process.env.MOCK_BIG === "1", quiet: process.env.MOCK_QUIET === "1" };
const hall = gateway(options);
const centre = central(options);
program({ ...hall, code: process.env.HALL_CODE ?? "HALL-MOCK-CODE", port: Number(process.env.HALL_PORT ?? 8701) });
program({ ...centre, code: process.env.CENTRE_CODE ?? "CNTR-MOCK-CODE", port: Number(process.env.CENTRE_PORT ?? 8702) });
