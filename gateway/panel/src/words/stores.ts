// Words of the list of halls.
import type { Words } from "./words";

export const storesWords = {
  stores: {
    title: ["营业厅", "Halls"],
    filter: ["按新旧筛选", "Filter by freshness"],
    search: ["搜索", "Search"],
    group: ["{group} 组", "group {group}"],
    waiting: ["等候", "Waiting"],
    longest: ["最长等候", "Longest"],
    "in-hall": ["在厅", "In hall"],
    counters: ["开放台席", "Open"],
    "old-figures": ["数字为最后一次收到的，可能已变化。", "These are the last figures received; they may have changed."],
    backlog: ["厅内待传 {n} 条", "waiting in the hall to be sent: {n}"],
    oldest: ["，最早 {span} 前", ", the oldest {span} ago"],
    alarms: ["设备告警", "Alarms of devices"],
    "more-alarms": ["另有 {n} 条告警", "{n} more alarms"],
    twin: ["有两台设备以本厅身份上报", "two boxes speak for this hall"],
    "twin-text": ["最近一次在 {at}。其中一台是克隆或恢复的旧盘：请找到并停用。两台的数据都已保留。", "Last at {at}. One of them is a clone or runs a restored disk: find it and switch it off. What both sent is kept."],
    none: ["没有营业厅", "No halls"],
    "none-text": ["营业厅第一次连上中心后会自动出现。", "A hall appears by itself when it first connects."],
  },
} satisfies Words;
