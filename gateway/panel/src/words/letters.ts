// Words of the dead letters.
import type { Words } from "./words";

export const lettersWords = {
  letter: {
    title: ["死信", "Dead letters"],
    count: ["{n} 条", "total {n}"],
    dropped: ["另有 {n} 条已淘汰", "{n} more were dropped"],
    "dropped-text": ["死信表已满，最旧的已被淘汰。", "The table of dead letters was full; the oldest were dropped."],
    search: ["搜索", "Search"],
    "search-hint": ["内容、主题或原因", "Content, topic or reason"],
    none: ["没有死信", "No dead letters"],
    "none-text": ["所有收到的上报都能读懂。", "Every report that came could be understood."],
    "none-match": ["没有符合条件的死信", "No dead letter matches"],
    "no-device": ["未知设备", "unknown device"],
    topic: ["主题", "Topic"],
    bytes: ["原始字节", "Bytes as received"],
    truncated: ["仅保留前一部分", "only the first part was kept"],
    "as-text": ["文本", "Text"],
    "as-hex": ["十六进制", "Hexadecimal"],
    "not-text": ["不是有效的 UTF-8 文本。", "This is not valid UTF-8 text."],
  },
  "letter-reason": {
    "bad-json": ["JSON 错误", "bad JSON"],
    "unknown-kind": ["未知事件", "unknown event"],
    "bad-field": ["字段错误", "bad field"],
    "too-large": ["过大", "too large"],
    "topic-not-permitted": ["主题不允许", "topic not permitted"],
    "seq-without-boot": ["缺启动号", "seq without boot"],
    "stale-seq": ["序号过旧", "stale seq"],
    "bad-frame": ["帧错误", "bad frame"],
  },
  "letter-reason-text": {
    "bad-json": ["内容不是有效的 JSON。请检查设备固件的报文格式。", "The content is not valid JSON. Check the message format of the device's firmware."],
    "unknown-kind": ["事件类型不在约定之内。可能是固件版本较新，或主题写错。", "This kind of event is not agreed on. The firmware may be newer, or the topic mistyped."],
    "bad-field": ["缺少字段或字段的值不符合约定。", "A field is missing or its value is not as agreed."],
    "too-large": ["报文超过允许的大小。", "The message is larger than allowed."],
    "topic-not-permitted": ["设备只能在自己的主题下上报，这条使用了别的主题。", "A device may report below its own topic only; this one used another."],
    "seq-without-boot": ["带有序号却没有启动号，无法判断是否重复。", "It has a sequence number but no boot id, so repetition cannot be told."],
    "stale-seq": ["序号不大于已收到的序号，可能是设备恢复了旧数据。", "The sequence number is not above the last one; the device may have restored old data."],
    "bad-frame": ["串口帧的校验或长度不正确。请检查接线与波特率。", "Checksum or length of the serial frame is wrong. Check the wiring and the baud rate."],
  },
  door: {
    mqtt: ["MQTT", "MQTT"],
    http: ["HTTP", "HTTP"],
    wired: ["有线", "wired"],
    hall: ["本机", "the box"],
  },
} satisfies Words;
