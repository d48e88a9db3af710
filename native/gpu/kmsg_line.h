// The kernel's log lines about GPUs, cut into what they say. Pure: no I/O, no allocation; lines that are malformed or about
// something else are nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gpu/xid_table.h"

namespace inference_health::gpu {

/// The head of a record of /dev/kmsg: "priority,sequence,microseconds,flags[,…];text".
struct KmsgRecord {
  std::uint64_t sequence;
  std::uint64_t boot_us;  // of the kernel's own clock
  std::string_view text;
};

/// None for continuation lines (" KEY=value") and for what is not a record.
std::optional<KmsgRecord> parse_kmsg_record(std::string_view line);

enum class KmsgKind {
  other,
  xid,             // "NVRM: Xid (PCI:…): …"
  sxid,            // "nvidia-nvswitch3: SXid (PCI:…): …"
  fallen_off_bus,  // the text without a number, which is all there is where nothing ran on the GPU
  watchdog,        // "RC watchdog: GPU is probably locked!", which names no GPU
};

struct KmsgFault {
  KmsgKind kind = KmsgKind::other;
  Address at;
  std::uint32_t number = 0;  // XID or SXid; 79 for fallen_off_bus
  XidDetail detail;
};

/// `text` is a record's text, escapes (\x0a) as the kernel writes them. A prefix before "NVRM: " is allowed.
KmsgFault parse_kmsg_text(std::string_view text);

/// Indices of `nvlinkUnit`; 0 is "not said".
inline constexpr std::string_view kNvlinkUnits[] = {
    "",          "SAW_MVB",  "RLW_REMAP", "RLW_RSPCOL",     "RLW_RXPIPE",  "RLW_SRC_TRACK",    "RLW_TAGSTATE",
    "TLW_CTRL",  "TLW_RX",   "TLW_TX",    "TREX",           "NVLPW",       "NETIR_INT",        "NETIR_LINK_EVT",
    "NETIR_BER", "NETIR_MFDE", "MSE",
};

}  // namespace inference_health::gpu
