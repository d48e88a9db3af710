// One sample of everything that the kernel tells about the host, the container and this process. No thread, no clock:
// the time comes in, so that tests decide it.
#pragma once

#include <array>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "host/cgroup_reader.h"
#include "host/cpu.h"
#include "host/kept_file.h"
#include "host/open_files.h"
#include "host/pressure.h"
#include "host/rate.h"
#include "host/slots.h"

namespace inference_health::host {

class HostReader {
 public:
  /// `root` is the prefix of /proc and /sys ("" for the real ones); false when it is too long. `per_core` adds cores().
  bool configure(std::string_view root, bool per_core);

  /// Reads every source that is due (see `Due`), at rates up to 1 Hz all of them; the others keep their values. `now_ms` is
  /// CLOCK_MONOTONIC. Allocates nothing.
  void sample(double now_ms, double wall_ms);

  HostSlots& slots() { return slots_; }
  /// Section `cores` of the last sample: the number of cores, then the busy ratio of each. Empty without per_core.
  std::span<const double> cores() const {
    return cores_ ? std::span<const double>(cores_->slots.data(), cores_->slots_used) : std::span<const double>();
  }

 private:
  struct Cores;
  FileText read(KeptFile& file, std::string_view name) { return file.read({root(), name, ""}, buffer_); }
  std::string_view root() const { return {root_.data(), root_length_}; }
  Due due(double now_ms);
  void sample_cpu();
  static void update_cores(Cores& cores, std::size_t count);
  void sample_process(double now_ms, double wall_ms);
  void sample_process_memory();
  void sample_memory();
  void sample_pressure();
  void sample_load_and_uptime(double now_ms);
  void sample_open_files(double now_ms);
  double process_start_ms(double start_ticks, double uptime_seconds, double wall_ms) const;

  std::array<char, PATH_MAX / 2> root_{};
  std::size_t root_length_ = 0;
  double ticks_per_second_ = 100;
  double page_bytes_ = 4096;
  HostSlots slots_;

  KeptFile stat_, self_stat_, meminfo_, statm_, loadavg_, uptime_, limits_;
  std::array<KeptFile, 3> pressure_files_;
  std::uint64_t pressure_generation_ = 0;
  OpenFiles open_files_;
  CgroupReader cgroup_;

  unsigned counter_reads_ = 0;
  double counters_at_ms_ = 0;
  double slow_at_ms_ = -kSlowEveryMs;  // due at once, also at the time 0 of a test
  CpuMeter cpu_;
  Rate process_cpu_;
  double uptime_seconds_ = kAbsent;
  double uptime_at_ms_ = 0;
  double process_start_ms_ = kAbsent;
  double max_files_ = kAbsent;
  Reason max_files_reason_ = Reason::missing;
  double max_files_due_ms_ = 0;

  // 200 KiB that only per_core needs.
  struct Cores {
    std::array<CoreTimes, kMaxCores> times{};
    std::array<CpuMeter, kMaxCores> meters{};
    std::array<double, kCoresSlots> slots{};
    std::size_t slots_used = 0;
  };
  std::unique_ptr<Cores> cores_;

  // Large enough for one pread of the processor lines of 1024 cores and of any other file: reads in pieces may be torn.
  std::array<char, 256 * 1024> buffer_;
};

}  // namespace inference_health::host
