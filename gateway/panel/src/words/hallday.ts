// Words of one day of one hall.
import type { Words } from "./words";

export const halldayWords = {
  hallday: {
    "counters-note": ["开放、示忙、小休计到最近一次状态变化，当天未结束时偏少。", "Open, busy and break are counted up to the last change of state, so they lag behind during the day."],
    back: ["← 营业厅对比", "← Halls side by side"],
    completeness: ["完整度 {share}，已收 {n} 个时段", "{share} complete, {n} slots received"],
    previous: ["前一天", "Previous day"],
    next: ["后一天", "Next day"],
    none: ["这一天没有数据", "No data for this day"],
    "none-text": ["没有数据不等于没有顾客：可能未营业，也可能尚未上传。", "No data does not mean no customers: the hall may have been closed, or its figures have not arrived."],
    curve: ["每刻钟", "By quarter hour"],
    gaps: ["灰色为应到而未收到的时段，不是零；尚未到的时段留空。", "Grey quarter hours are due but have not come; they are not zero. What is still to come is blank."],
    "curve-label": ["每刻钟取号、开始办理与等候中位数，{n} 个时段有数据", "Tickets issued and started and median wait by quarter hour, {n} slots have data"],
    tickets: ["票数", "tickets"],
    issued: ["取号", "Issued"],
    started: ["开始办理", "Started"],
    finished: ["办结", "Finished"],
    "no-show": ["过号", "No-shows"],
    "wait-median": ["等候 P50", "Wait p50"],
    open: ["开放", "Open"],
    serving: ["办理", "Serving"],
    climate: ["温湿度", "Climate"],
    "climate-label": ["温度曲线，{n} 个传感器；数字见下表", "Temperature of {n} sensors; the table below has the figures"],
    "no-climate": ["这一天没有温湿度数据", "No climate data for this day"],
    range: ["温度范围", "Temperature"],
    measured: ["测得", "Measured"],
    minutes: ["{n} 分钟", "{n} min"],
  },
} satisfies Words;
