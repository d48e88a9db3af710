// Reads the limits, use and events of this process's control groups into the host section.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "host/cgroup_location.h"
#include "host/kept_file.h"
#include "host/rate.h"
#include "host/slots.h"

namespace inference_health::host {

class CgroupReader {
 public:
  /// Fills the cgroup… fields that are due. Needs memTotalBytes, absent when unknown.
  void sample(std::string_view root, double now_ms, bool is_memory_due, Due due, std::span<char> buffer, HostSlots& slots);

  /// The directory whose *.pressure files describe this process's group; empty when the host's own do.
  std::string_view pressure_directory() const { return pressure_directory_; }
  /// Changes whenever pressure_directory() may have.
  std::uint64_t generation() const { return generation_; }

 private:
  static constexpr std::size_t kMaxLevels = CgroupChain::kMaxLevels;
  using LevelFiles = std::array<KeptFile, kMaxLevels>;

  /// The lowest limit of all levels. `level` is the group that sets it, or the innermost when there is none.
  struct EffectiveLimit {
    Reason reason;  // ok, unlimited, or why it is not known
    double value;   // NaN unless ok
    std::size_t level;
    bool has_file;  // at any level
  };
  static Reason overall_reason(Reason use, const EffectiveLimit& limit);

  void locate(double now_ms);
  std::string_view find_pressure_directory();
  template <typename Action>
  void for_each_file(Action action);
  void sample_memory(bool is_slow_due, HostSlots& slots);
  void sample_cpu(double now_ms, bool is_slow_due, HostSlots& slots);
  void sample_pids(HostSlots& slots);

  FileText read_file(KeptFile& file, std::string_view directory, std::string_view name);
  template <typename Parse>
  Reason read_number(KeptFile& file, std::string_view directory, std::string_view name, Parse parse, double& value);
  template <typename ReadLevel>
  EffectiveLimit lowest_limit(const CgroupHierarchy& hierarchy, ReadLevel read_level);
  template <typename Parse>
  EffectiveLimit lowest_limit(const CgroupHierarchy& hierarchy, LevelFiles& files, std::string_view name, Parse parse);
  EffectiveLimit find_quota(const CgroupHierarchy& group);
  double cpu_usage_us(std::size_t cpu_level, const CgroupCpuStat& stat);

  std::string_view root_;
  std::span<char> buffer_;
  CgroupLocation location_, scratch_;
  bool located_ = false;
  bool lost_ = false;  // a file that was open is gone: the group was removed or this process was moved
  double located_at_ms_ = 0;
  double locate_due_ms_ = 0;
  std::string_view pressure_directory_;
  std::uint64_t generation_ = 0;

  LevelFiles memory_limits_, memory_highs_;
  EffectiveLimit memory_limit_{Reason::missing, kAbsent, 0, false};
  KeptFile memory_usage_, memory_stat_, memory_swap_, memory_events_;
  std::size_t memory_level_ = 0;

  LevelFiles cpu_quotas_, cpu_periods_;
  EffectiveLimit cpu_quota_{Reason::missing, kAbsent, 0, false};
  KeptFile cpu_stat_, cpu_usage_;
  std::size_t cpu_level_ = 0;
  Rate cpu_usage_rate_, throttle_rate_;

  LevelFiles pids_limits_;
  KeptFile pids_current_;
  std::size_t pids_level_ = 0;
};

}  // namespace inference_health::host
