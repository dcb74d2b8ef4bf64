// A floor plan as a PNG, drawn here: the mock brings no files.
import { crc32, deflateSync } from "node:zlib";

const [WIDTH, HEIGHT] = [480, 300];
/** Walls: x, y, width, height. */
const WALLS = [[10, 10, 460, 4], [10, 286, 200, 4], [270, 286, 200, 4], [10, 10, 4, 280], [466, 10, 4, 280], [160, 10, 4, 120], [160, 180, 4, 110], [320, 10, 4, 90], [164, 96, 100, 4], [340, 200, 100, 30], [40, 200, 80, 20], [40, 60, 80, 20]];

function chunk(kind, body) {
  const named = Buffer.concat([Buffer.from(kind, "latin1"), body]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

export function plan() {
  const rows = Buffer.alloc((WIDTH + 1) * HEIGHT, 0xff);
  for (let y = 0; y < HEIGHT; y += 1) rows[y * (WIDTH + 1)] = 0;
  for (const [left, top, width, height] of WALLS) {
    for (let y = top; y < top + height; y += 1) rows.fill(0x30, y * (WIDTH + 1) + 1 + left, y * (WIDTH + 1) + 1 + left + width);
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(WIDTH, 0);
  head.writeUInt32BE(HEIGHT, 4);
  head.set([8, 0, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}
