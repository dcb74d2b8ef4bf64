// An edge node by the npm package sparkplug-client, which is born when it connects and whenever the
// host asks. Needs the folder node of deploy/setup/peers.sh in NODE_PATH.
//
// usage: sparkplug_client.js PORT USER SECRET GROUP NODE
//
// Says "born", obeys `temperature C` and `skip` (loses one number), says "rebirth" when it is asked.
const { newClient } = require("sparkplug-client");
const [port, username, password, groupId, edgeNode] = process.argv.slice(2);
const client = newClient({
  serverUrl: `tcp://127.0.0.1:${port}`, username, password, groupId, edgeNode, clientId: "Any Client 7", version: "spBv1.0",
});
let celsius = 19.5;
const metric = () => ({
  name: "temp_inside", type: "Double", value: celsius, timestamp: Date.now(),
  properties: { engUnit: { type: "String", value: "°C" } },
});
client.on("birth", () => {
  const rebirth = { name: "Node Control/Rebirth", type: "Boolean", value: false };
  client.publishNodeBirth({ timestamp: Date.now(), metrics: [rebirth, metric()] });
  console.log("born");
});
client.on("ncmd", (payload) => {
  if (payload.metrics.some((one) => one.name === "Node Control/Rebirth" && one.value)) {
    console.log("rebirth");
    client.emit("birth");
  }
});
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const [order, value] = line.split(" ");
  if (order === "skip") client.seq += 1;
  if (order === "temperature") {
    celsius = Number(value);
    client.publishNodeData({ timestamp: Date.now(), metrics: [metric()] });
  }
  console.log("told");
});
