// Every XID that was ever reported, as one row per (GPU, XID): 10^5 events cost the memory of one. Several threads record
// at once without locks; a row's slots are then each right, not all of one moment.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "snapshot/gpu_layout.h"

namespace inference_health::gpu {

/// Where a GPU or MIG device is. Instances are kNoInstance for a whole GPU.
struct Address {
  std::uint32_t domain = 0, bus = 0, device = 0;
  std::uint32_t gpu_instance = kNoInstance, compute_instance = kNoInstance;
  static constexpr std::uint32_t kNoInstance = 0xff;

  /// Never 0; equal for equal addresses. Domains above 2^17 lose their upper bits.
  std::uint64_t pack() const;
  static Address unpack(std::uint64_t packed);
  bool operator==(const Address&) const = default;
};

/// What one report says beyond its number; absent parts leave the row as it is.
struct XidDetail {
  std::optional<std::uint32_t> pid;
  std::optional<std::uint32_t> to_action;  // XID 154 and field 230
  std::optional<bool> reset_flag;          // "RST: Yes", XIDs 94 and 95
  std::uint32_t severity = 0;              // XIDs 144 to 150; see XidField
  std::uint32_t nvlink_unit = 0, nvlink_error_status = 0, nvlink_intr_info = 0;
};

class XidTable {
 public:
  /// `own_pid` is 0 where it is unknown in the kernel's numbering.
  void record(unsigned source, const Address& at, bool is_sxid, std::uint32_t xid, const XidDetail& detail,
              std::uint32_t own_pid, double now_ms);
  /// Adds a source to a row that exists; counts nothing.
  void confirm(unsigned source, const Address& at, std::uint32_t xid);

  std::size_t rows() const;
  double overflow() const { return static_cast<double>(overflow_.load(std::memory_order_relaxed)); }

  /// `addresses` are the packed addresses of the inventory by slot, 0 where there is none. Fills kXidStride slots per row,
  /// NaN in the first slot of the row after the last; returns the number of rows.
  std::size_t read(std::span<double> into, std::span<const std::uint64_t> addresses) const;

  void clear();
  /// Takes over the rows of another table; nobody else writes to this one.
  void copy(const XidTable& from);

 private:
  struct Row {
    std::atomic<std::uint64_t> key;
    std::atomic<std::uint64_t> nvml_count, kmsg_count, other_count;
    std::atomic<double> first_ms, last_ms, own_ms;
    std::atomic<std::uint32_t> sources, pid, other_pids, own_count;
    // One more than the value; 0 = never said.
    std::atomic<std::uint32_t> to_action, reset_flag, severity, unit;
    std::atomic<std::uint32_t> error_status, intr_info;
  };

  Row* find(std::uint64_t key, bool may_claim, double now_ms);

  Row rows_[kMaxXidRows];
  std::atomic<std::uint64_t> overflow_;
};

}  // namespace inference_health::gpu
