// A network cable that can be pulled: a TCP relay in front of the server.
import { connect, createServer } from "node:net";

export class Cable {
  static async plug(target) {
    const cable = new Cable(new URL(target));
    await cable.join(0);
    return cable;
  }

  constructor(target) {
    this.target = target;
    this.sockets = new Set();
  }

  get origin() {
    return `${this.target.protocol}//${this.target.hostname}:${this.port}`;
  }

  async join(port = this.port) {
    this.server = createServer((near) => {
      const far = connect(Number(this.target.port || 80), this.target.hostname);
      for (const [one, other] of [[near, far], [far, near]]) {
        this.sockets.add(one);
        one.on("error", () => undefined);
        one.on("close", () => {
          this.sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    await new Promise((resolve, reject) => this.server.on("error", reject).listen(port, this.target.hostname, resolve));
    this.port = this.server.address().port;
  }

  async pull() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
