// Words of the audit trail.
import type { Words } from "./words";

export const auditWords = {
  audit: {
    title: ["审计记录", "Audit trail"],
    action: ["操作", "Action"],
    at: ["时间", "Time"],
    who: ["人员", "Person"],
    address: ["地址", "Address"],
    detail: ["内容", "Detail"],
    empty: ["还没有审计记录", "No audit entries yet"],
  },
  "audit-action": {
    "people_set-up": ["首次设置", "First set-up"],
    "people_sign-in": ["登录", "Sign-in"],
    "people_sign-in-failed": ["登录失败", "Failed sign-in"],
    "people_sign-out": ["退出登录", "Sign-out"],
    people_password: ["修改密码", "Password changed"],
    people_add: ["新增人员", "Person added"],
    people_change: ["修改人员", "Person changed"],
    devices_add: ["新增设备", "Device added"],
    devices_change: ["修改设备", "Device changed"],
    devices_search: ["查找设备", "Devices searched for"],
    devices_decide: ["决定设备变更", "Device change decided"],
    devices_command: ["向设备下命令", "Device told to do something"],
    joining_window: ["打开或关闭设备加入", "Joining opened or closed"],
    joining_approve: ["准许设备加入", "Device let in"],
    "uplink_send-again": ["重新上传被退回的条目", "Refused item sent again"],
    box_confirm: ["确认开通清单的一项", "First step confirmed"],
    box_hall: ["修改厅名或营业时间", "Name or opening hours changed"],
    "box_test-alarm": ["测试告警", "Test alarm"],
    box_restart: ["重新启动程序", "Program started again"],
    joining_refuse: ["拒绝设备加入", "Device refused"],
  },
} satisfies Words;
