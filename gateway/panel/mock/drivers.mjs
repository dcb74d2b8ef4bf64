// Drivers of the mock hall: every kind of question a form can ask.
const words = (zh, en) => ({ zh, en });
const field = (key, kind, zh, en, extra = {}) => ({ key, kind, label: words(zh, en), help: null, default: null, choices: [], required: false, ...extra });
const LINK = field("link", "link", "连接", "Connection", { required: true });

export const PORTS = ["/dev/serial/by-path/pci-0000:00:14.0-usb-0:3:1.0-port0", "/dev/serial/by-path/pci-0000:00:14.0-usb-0:4:1.0-port0"];
const MAPS = ["adam-6050", "io-8di-8do", "qfa3150", "querx", "sdm630", "srth", "th332", "xy-md02"];

export const DRIVERS = [
  {
    name: "modbus",
    kind: "climate-sensor",
    accepts: ["power"],
    discovers: true,
    form: {
      title: words("Modbus 设备", "Modbus device"),
      about: words("温湿度、电表、客流计数、门磁与继电器；型号由寄存器表描述。", "Climate sensors, energy meters, people counters, door contacts and relays; a register map describes the model."),
      field: [
        LINK,
        field("unit", "number", "从站地址（1–247）", "Unit address (1–247)", { default: "1", required: true }),
        field("map", "choice", "型号（寄存器表）", "Model (register map)", { choices: MAPS, required: true, help: words("没有列出的型号：把寄存器表写进 gateway.toml，或在 maps 文件夹加一个文件。", "A model that is not listed: write its map into gateway.toml, or add one file to the maps folder.") }),
        field("poll_s", "number", "读取间隔（秒）", "Read every (seconds)", { default: "30" }),
        field("timeout_ms", "number", "等待应答（毫秒）", "Wait for an answer (ms)", { default: "500" }),
      ],
    },
  },
  {
    name: "lihe-screen",
    kind: "window-screen",
    accepts: ["display"],
    discovers: false,
    form: {
      title: words("平安力合窗口屏", "Ping'an Lihe window screen"),
      about: words("柜台上方的窗口屏：显示叫号、办理、暂停。", "The screen over a counter: shows calls, serving, pause."),
      field: [
        LINK,
        field("address", "number", "屏地址（1–99）", "Address of the screen (1–99)", { required: true, help: words("屏背面的拨码或标签。", "Set by switches on its back, or on its label.") }),
        field("windows", "pairs", "窗口编号", "Window numbers", { help: words("只为编号不是数字的台席填写，例如 VIP = 12。", "Only for counters whose id is no number, such as VIP = 12.") }),
      ],
    },
  },
  {
    name: "escpos",
    kind: "printer",
    accepts: [],
    discovers: true,
    form: {
      title: words("小票打印机（ESC/POS）", "Receipt printer (ESC/POS)"),
      about: words("读取打印机的纸、机盖、切刀和联机状态，不打印任何内容。", "Reads paper, cover, cutter and online state; never prints."),
      field: [
        { ...LINK, help: words("网口打印机填 地址:9100。", "host:9100 for a printer on the network.") },
        field("asb", "flag", "自动状态返回（ASB）", "Automatic status back (ASB)", { default: "false", help: words("打印机自己上报变化，但连接一直占用。", "The printer tells of changes itself, but the connection stays taken.") }),
        field("identity", "flag", "读取厂商、型号、序列号", "Ask for maker, model and serial number", { default: "true" }),
      ],
    },
  },
  {
    name: "fqm",
    kind: "queue-system",
    accepts: [],
    discovers: false,
    form: {
      title: words("FQM 排队系统", "FQM queue system"),
      about: words("读取 FQM 的取号和叫号，不写入任何东西。", "Reads what FQM issues and calls; writes nothing."),
      field: [
        field("url", "text", "地址", "Address", { required: true, help: words("例如 http://192.168.1.30:8080，暂不支持 https。", "Such as http://192.168.1.30:8080; https is not supported yet.") }),
        field("listen", "peer", "监听地址", "Listening address", { default: "127.0.0.1:6000" }),
        field("token", "secret", "访问令牌", "Access token", { required: true, help: words("在 FQM 的管理页“Auth tokens”里新建。", "Made on FQM's page \"Auth tokens\".") }),
        field("counters", "pairs", "FQM 办公室编号对应的台席", "Counters of FQM's offices, by office id"),
      ],
    },
  },
];

/** As the drivers would say it; null when the settings are good. */
export function problemWith(driver, settings) {
  const { link } = settings;
  if (link?.tcp !== undefined && !/^[^:]+:\d+$/.test(link.tcp)) return `settings.link.tcp: expected host:port, found ${link.tcp}`;
  if (link?.serial !== undefined && !link.serial.startsWith("/")) return `settings.link.serial: expected an absolute path such as /dev/serial/by-path/…, found ${link.serial}`;
  if (driver.name === "modbus" && !(settings.unit >= 1 && settings.unit <= 247)) return `settings.unit: expected 1 to 247, found ${settings.unit}`;
  if (driver.name === "lihe-screen") {
    const texts = Object.entries(settings.windows ?? {}).find(([, value]) => typeof value === "string");
    if (texts) return `settings.windows.${texts[0]}: expected u8, found string "${texts[1]}"`;
  }
  const missing = driver.form.field.find((each) => each.required && each.kind !== "secret" && settings[each.key] === undefined);
  return missing ? `settings.${missing.key}: expected a value, found nothing` : null;
}
