#include "gpu/kmsg_line.h"

#include "test.h"

namespace inference_health::gpu {
namespace {

KmsgFault xid(std::string_view text) { return parse_kmsg_text(text); }
constexpr auto kNone = Address::kNoInstance;

}  // namespace

TEST("a record of the kernel log is cut into its head and its text") {
  const auto record = parse_kmsg_record("4,1234,5678901,-,caller=T12;NVRM: hello; world");
  CHECK(record.has_value());
  CHECK_EQUAL(record->sequence, 1234u);
  CHECK_EQUAL(record->boot_us, 5678901u);
  CHECK_EQUAL(record->text, "NVRM: hello; world");
}

TEST("what is no record is nothing") {
  for (const auto* line : {"", " KEY=value", "no semicolon", "4,12;text", "4,x,1,-;text", ",,,;", "-1,2,3,-;t",
                           "4,99999999999999999999999,1,-;t"})
    CHECK(!parse_kmsg_record(line).has_value());
}

TEST("an XID with a process names the GPU, the number and the pid") {
  const auto fault = xid("NVRM: Xid (PCI:0000:3b:00): 31, pid=1234, name=python3, Ch 00000008, intr 10000000.");
  CHECK_EQUAL(fault.kind, KmsgKind::xid);
  CHECK(fault.at == (Address{0, 0x3b, 0}));
  CHECK_EQUAL(fault.number, 31u);
  CHECK_EQUAL(fault.detail.pid.value_or(0), 1234u);
}

TEST("an XID without a process, or with an unknown one, has no pid") {
  CHECK_EQUAL(xid("NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.").number, 79u);
  const auto old = xid("NVRM: Xid (PCI:0000:3b:00): 119, pid='<unknown>', name=<unknown>, Timeout after 45s of waiting");
  CHECK_EQUAL(old.number, 119u);
  CHECK(!old.detail.pid.has_value());
  CHECK(!xid("NVRM: Xid (PCI:0000:3b:00): 119, pid=0, name=x").detail.pid.has_value());
  CHECK_EQUAL(xid("NVRM: Xid (PCI:0000:3b:00): 119, pid=1582259, name=nvc:[driver], Timeout after 6s").detail.pid.value_or(0),
              1582259u);
}

TEST("the oldest form without PCI and the newest with function and long domain are read") {
  CHECK(xid("NVRM: Xid (0000:3b:00): 13, Graphics Exception").at == (Address{0, 0x3b, 0}));
  CHECK(xid("NVRM: Xid (PCI:0001a:3b:1f.0): 13").at == (Address{0x1a, 0x3b, 0x1f}));
  CHECK(xid("NVRM: Xid (PCI:00000008:01:00): 13, x").at == (Address{8, 1, 0}));
  CHECK_EQUAL(xid("nvidia: NVRM: Xid (PCI:0000:3b:00): 45,").number, 45u);
}

TEST("the MIG form names the instances") {
  const auto fault = xid("NVRM: Xid (PCI:0000:01:00 GPU-I:05 GPU-CI:00): 94, pid=7, name=app, Contained");
  CHECK_EQUAL(fault.number, 94u);
  CHECK(fault.at == (Address{0, 1, 0, 5, 0}));
  CHECK_EQUAL(fault.detail.pid.value_or(0), 7u);
  CHECK(xid("NVRM: Xid (PCI:0000:01:00 GPU-I:0a): 13, x").at == (Address{0, 1, 0, 10, kNone}));
}

TEST("XID 154 says to which action") {
  const auto to = [](std::string_view text) { return parse_kmsg_text(text).detail.to_action; };
  CHECK_EQUAL(to("NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)").value_or(9), 1u);
  CHECK_EQUAL(to("NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed from 0x4 (Drain and Reset) to 0x0 (None)").value_or(9), 0u);
  CHECK(!to("NVRM: Xid (PCI:0000:3b:00): 154, something else").has_value());
}

TEST("XIDs 94 and 95 say whether a reset is asked for") {
  const auto flag = [](std::string_view text) { return parse_kmsg_text(text).detail.reset_flag; };
  CHECK(flag("NVRM: Xid (PCI:0000:3b:00): 95, pid=1, Uncontained: LTC. D-RST: No, RST: Yes").value_or(false));
  CHECK(!flag("NVRM: Xid (PCI:0000:3b:00): 94, pid=1, Contained: SM (0x1). RST: No, D-RST: Yes").value_or(true));
  CHECK(!flag("NVRM: Xid (PCI:0000:3b:00): 94, pid=1, Contained").has_value());
}

TEST("NVLink XIDs give unit, severity and registers") {
  const auto fault = xid("NVRM: Xid (PCI:0008:01:00): 145, RLW_SRC_TRACK Nonfatal XC1 i0 Link 17 (0x04084507 0x00000004 0x0 0x0 0x0 0x0 0x0)");
  CHECK_EQUAL(fault.detail.severity, 1u);
  CHECK_EQUAL(kNvlinkUnits[fault.detail.nvlink_unit], "RLW_SRC_TRACK");
  CHECK_EQUAL(fault.detail.nvlink_intr_info, 0x04084507u);
  CHECK_EQUAL(fault.detail.nvlink_error_status, 4u);
  CHECK_EQUAL(xid("NVRM: Xid (PCI:0008:01:00): 149, pid=5, name=x, NETIR_LINK_EVT Fatal XC0 i0 Link 09 (0x1 0x2)").detail.severity, 2u);
  CHECK_EQUAL(xid("NVRM: Xid (PCI:0008:01:00): 149, NETIR_INT Link Fatal XC0").detail.severity, 3u);
  CHECK_EQUAL(xid("NVRM: Xid (PCI:0008:01:00): 150, MSE Non-Fatal").detail.severity, 1u);
  CHECK_EQUAL(xid("NVRM: Xid (PCI:0008:01:00): 31, Fatal").detail.severity, 0u);
}

TEST("a switch's SXid is told from an XID") {
  const auto fault = xid("nvidia-nvswitch3: SXid (PCI:0000:05:00.0): 12028, Non-fatal, Link 32 egress non-posted PRIV error");
  CHECK_EQUAL(fault.kind, KmsgKind::sxid);
  CHECK_EQUAL(fault.number, 12028u);
  CHECK_EQUAL(fault.detail.severity, 1u);
  CHECK_EQUAL(xid("nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 30 LTSSM Fault Up").detail.severity, 2u);
}

TEST("a GPU that fell off the bus is found without a number") {
  for (const auto* text : {"NVRM: GPU 0000:18:00.0: GPU has fallen off the bus.",
                           "NVRM: The NVIDIA GPU 0000:18:00.0\\x0aNVRM: (PCI ID: 10de:2330) has fallen off the bus and is not responding",
                           "NVRM: GPU at PCI:0000:18:00: GPU has fallen off the bus."}) {
    const auto fault = xid(text);
    CHECK_EQUAL(fault.kind, KmsgKind::fallen_off_bus);
    CHECK(fault.at == (Address{0, 0x18, 0}));
    CHECK_EQUAL(fault.number, 79u);
  }
}

TEST("the watchdog's line names no GPU") {
  CHECK_EQUAL(xid("NVRM: krcWatchdog_IMPL: RC watchdog: GPU is probably locked!  Notify Timeout Seconds: 7").kind,
              KmsgKind::watchdog);
}

TEST("malformed lines and lines about something else are nothing") {
  for (const auto* text :
       {"", "NVRM: ", "NVRM: Xid ", "NVRM: Xid (", "NVRM: Xid (PCI:0000:3b:00)", "NVRM: Xid (PCI:0000:3b:00): ",
        "NVRM: Xid (PCI:0000:3b:00): x", "NVRM: Xid (PCI:0000:3b:00): 79x", "NVRM: Xid (PCI:0000:3b): 79, x",
        "NVRM: Xid (PCI:000000000:3b:00): 79, x", "NVRM: Xid (PCI:zzzz:3b:00): 79, x", "NVRM: Xid (PCI:0000:3b:3f): 79, x",
        "NVRM: Xid (PCI:0000:3b:00): 99999999999, x", "NVRM: Xid (PCI:0000:3b:00 GPU-I:): 94, x", "Xid (PCI:0000:3b:00): 79, x",
        "NVRM: GPU Board Serial Number: 165", "NVRM: GPU at PCI:0000:3b:00: GPU-12345678-", "SXid (PCI:0000:05:00.0): 1, Fatal",
        "NVRM: GPU has fallen off the bus"})
    CHECK_EQUAL(xid(text).kind, KmsgKind::other);
}

}  // namespace inference_health::gpu
