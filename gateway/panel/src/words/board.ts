// Words of what waits for a person: changes of devices, and who is shut out.
import type { Words } from "./words";

export const boardWords = {
  board: {
    title: ["等待处理", "Waiting for you"],
    "claim-of": ["{kind}申请加入", "{kind} asks to join"],
    "clash-of": ["{part} {value} 已属于 {device}", "{part} {value} belongs to {device}"],
    "open-owner": ["查看 {device}", "Open {device}"],
    address: ["网络地址", "network address"],
    "clash-claim": ["序列号 {serial} 已知：有另一台设备以同一序列号申请，或它重置后再次申请", "Serial number {serial} is known: another device asks with it, or the same one was reset and asks again"],
    waits: ["已等 {span}", "waiting {span}"],
    device: ["设备", "Device"],
    check: ["核对并加入", "Check and let in"],
    decide: ["查看并决定", "Look and decide"],
    suspended: ["已停用的设备（{n}）", "Suspended devices ({n})"],
    open: ["打开", "Open"],
    miscount: ["{kind}：应有 {expected} 台，在用 {found} 台", "{kind}: {expected} expected, {found} in use"],
    miscounts: ["与主数据不符", "Differs from master data"],
    serial: ["序列号", "Serial number"],
    model: ["型号", "Model"],
    vendor: ["厂商", "Maker"],
    firmware: ["固件", "Firmware"],
    mac: ["MAC", "MAC"],
  },
  request: {
    identity: ["设备身份有变", "The device's identity changed"],
    address: ["网络地址有变", "The network address changed"],
    "third-model": ["多出一种机型", "One more model"],
    "serial-clash": ["序列号冲突", "Serial number clash"],
  },
  "request-text": {
    identity: ["设备报出的身份与登记的不同：可能换了主板，也可能是另一台设备。", "The device says it is another than the one registered: its board may have been changed, or it is another device."],
    address: ["自助终端换了地址：可能搬了位置，或网络重新分配。", "The kiosk has another address: it may have been moved, or the network was set up anew."],
    "third-model": ["本厅已有机型 {models}；这台是 {value}。", "The hall has the models {models}; this one is a {value}."],
    "serial-clash": ["{part} {value} 已属于 {twin}。", "{part} {value} belongs to {twin}."],
  },
  "request-grant": {
    identity: ["批准后，以新身份登记。", "If you approve, the new identity is registered."],
    address: ["批准后，记为新地址。", "If you approve, this becomes its address."],
    "third-model": ["批准后，这种机型可以使用。", "If you approve, this model may be used."],
    "serial-clash": ["批准后，{twin} 退役，由 {device} 使用这个序列号。", "If you approve, {twin} is retired and {device} has the serial number."],
  },
  decide: {
    before: ["登记的", "Registered"],
    after: ["现在的", "Now"],
    grant: ["批准", "Approve"],
    refuse: ["拒绝并停用", "Refuse and suspend"],
    reason: ["拒绝的原因（记入档案，并告知设备；可空）", "Reason (kept in the file and told to the device; may be empty)"],
    "refuse-text": ["拒绝后，{device} 停用，不能再连接；之后可以在设备页恢复。", "If you refuse, {device} is suspended and can no longer connect; it can be brought back on its page."],
    granted: ["{device}：已批准。", "{device}: approved."],
  },
  verdict: {
    granted: ["批准", "granted"],
    refused: ["拒绝", "refused"],
  },
} satisfies Words;
