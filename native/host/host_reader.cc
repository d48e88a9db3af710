#include "host/host_reader.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "host/process.h"
#include "snapshot/clock.h"

namespace inference_health::host {

namespace {

constexpr double kMaxFilesEveryMs = 60'000;

using enum HostField;

bool is_known(double value) { return value == value; }

}  // namespace

bool HostReader::configure(std::string_view root, bool per_core) {
  while (root.ends_with('/')) root.remove_suffix(1);
  if (root.size() > root_.size()) return false;
  std::copy(root.begin(), root.end(), root_.begin());
  root_length_ = root.size();
  cores_ = per_core ? std::make_unique<Cores>() : nullptr;
  ticks_per_second_ = static_cast<double>(sysconf(_SC_CLK_TCK));
  page_bytes_ = static_cast<double>(sysconf(_SC_PAGESIZE));
  return true;
}

void HostReader::sample(double now_ms, double wall_ms) {
  const Due now_due = due(now_ms);
  slots_[observedAtMs] = now_ms;
  slots_[observedUnixMs] = wall_ms;
  if (now_due.slow) sample_load_and_uptime(now_ms);
  slots_[uptimeSeconds] = uptime_seconds_ + (now_ms - uptime_at_ms_) / 1e3;
  if (now_due.counters) {
    sample_cpu();
    sample_process(now_ms, wall_ms);
    sample_process_memory();
  }
  // The memory that this process can run out of: that of its container where it has a limit, else the host's.
  const bool is_limited = is_known(slots_[cgroupMemoryLimitBytes]);
  if (now_due.counters || !is_limited) sample_memory();
  cgroup_.sample(root(), now_ms, now_due.counters || is_limited, now_due, buffer_, slots_);
  if (now_due.slow || cgroup_.generation() != pressure_generation_) sample_pressure();
  if (now_due.slow) sample_open_files(now_ms);
}

// The second reading, with which there are ratios, follows at the next sample. What is slow goes along with counters.
Due HostReader::due(double now_ms) {
  if (counter_reads_ >= 2 && now_ms - counters_at_ms_ < kMinWindowMs) return {false, false};
  if (counter_reads_ < 2) ++counter_reads_;
  counters_at_ms_ = now_ms;
  if (now_ms - slow_at_ms_ < kSlowEveryMs) return {true, false};
  slow_at_ms_ = now_ms;
  return {true, true};
}

void HostReader::sample_cpu() {
  slots_.clear(cpuBusyRatio, cpuReason);
  if (cores_) cores_->slots_used = 0;
  auto [reason, text] = read(stat_, "/proc/stat");
  CpuStat stat;
  const auto core_times = cores_ ? std::span<CoreTimes>(cores_->times) : std::span<CoreTimes>();
  if (reason == Reason::ok) reason = parse_cpu_stat(text, stat, core_times);
  if (reason != Reason::ok) return slots_.set_reason(cpuReason, reason);

  if (stat.core_count > 0) slots_[cpuCount] = static_cast<double>(stat.core_count);
  cpu_.update(stat.total);
  if (cores_) update_cores(*cores_, std::min(stat.core_count, core_times.size()));
  if (!cpu_.has_ratios()) return slots_.set_reason(cpuReason, Reason::needs_second_sample);
  const auto& ratios = cpu_.ratios();
  slots_[cpuBusyRatio] = ratios.busy;
  slots_[cpuUserRatio] = ratios.user;
  slots_[cpuSystemRatio] = ratios.system;
  slots_[cpuIowaitRatio] = ratios.iowait;
  slots_[cpuStealRatio] = ratios.steal;
  slots_.set_reason(cpuReason, Reason::ok);
}

void HostReader::update_cores(Cores& cores, std::size_t count) {
  std::size_t used = kCoresBusyRatio;
  for (const auto& [core, times] : std::span(cores.times).first(count)) {
    if (core >= cores.meters.size()) break;
    auto& meter = cores.meters[core];
    meter.update(times);
    cores.slots[used++] = meter.has_ratios() ? meter.ratios().busy : kAbsent;
  }
  cores.slots[kCoresCount] = static_cast<double>(used - kCoresBusyRatio);
  cores.slots_used = used;
}

void HostReader::sample_load_and_uptime(double now_ms) {
  auto [load_reason, load_text] = read(loadavg_, "/proc/loadavg");
  LoadAverage load{kAbsent, kAbsent, kAbsent};
  if (load_reason == Reason::ok) load_reason = parse_loadavg(load_text, load);
  const bool is_loaded = load_reason == Reason::ok;
  slots_[load1] = is_loaded ? load.one : kAbsent;
  slots_[load5] = is_loaded ? load.five : kAbsent;
  slots_[load15] = is_loaded ? load.fifteen : kAbsent;
  slots_.set_reason(loadReason, load_reason);

  auto [uptime_reason, uptime_text] = read(uptime_, "/proc/uptime");
  uptime_seconds_ = kAbsent;
  if (uptime_reason == Reason::ok) uptime_reason = parse_uptime(uptime_text, uptime_seconds_);
  uptime_at_ms_ = now_ms;
  slots_.set_reason(uptimeReason, uptime_reason);
}

void HostReader::sample_process(double now_ms, double wall_ms) {
  slots_.clear(processCpuCores, processCpuReason);
  auto [reason, text] = read(self_stat_, "/proc/self/stat");
  ProcessStat stat{};
  if (reason == Reason::ok) reason = parse_process_stat(text, stat);
  slots_[threads] = reason == Reason::ok ? stat.threads : kAbsent;
  slots_.set_reason(threadsReason, reason);
  slots_.set_reason(processCpuReason, reason);
  if (reason == Reason::ok) {
    const double ms_per_tick = 1e3 / ticks_per_second_;
    slots_[processCpuUserMs] = stat.user_ticks * ms_per_tick;
    slots_[processCpuSystemMs] = stat.system_ticks * ms_per_tick;
    const double cores = process_cpu_.update(now_ms, (stat.user_ticks + stat.system_ticks) * ms_per_tick, now_ms);
    slots_[processCpuCores] = cores;
    if (!is_known(cores)) slots_.set_reason(processCpuReason, Reason::needs_second_sample);
    if (!is_known(process_start_ms_)) process_start_ms_ = process_start_ms(stat.start_ticks, slots_[uptimeSeconds], wall_ms);
  }
  slots_[processStartUnixMs] = process_start_ms_;
}

void HostReader::sample_process_memory() {
  auto [reason, text] = read(statm_, "/proc/self/statm");
  ProcessMemory memory{kAbsent, kAbsent};
  if (reason == Reason::ok) reason = parse_statm(text, page_bytes_, memory);
  const bool is_known_now = reason == Reason::ok;
  slots_[processRssBytes] = is_known_now ? memory.rss : kAbsent;
  slots_[processSharedBytes] = is_known_now ? memory.shared : kAbsent;
  slots_.set_reason(processMemReason, reason);
}

// Start times count from the boot of the machine. lxcfs shows the container's uptime instead, so that with the real
// /proc the kernel's clock is asked.
double HostReader::process_start_ms(double start_ticks, double uptime_seconds, double wall_ms) const {
  const double boot_ms = root_length_ == 0 ? clock_ms(CLOCK_BOOTTIME) : uptime_seconds * 1e3;
  const double age_ms = boot_ms - start_ticks * 1e3 / ticks_per_second_;
  return age_ms >= 0 ? wall_ms - age_ms : kAbsent;
}

void HostReader::sample_memory() {
  auto [reason, text] = read(meminfo_, "/proc/meminfo");
  MemoryInfo info;
  if (reason == Reason::ok) reason = parse_meminfo(text, info);
  slots_[memTotalBytes] = info.total;
  slots_[memAvailableBytes] = info.available;
  slots_[swapTotalBytes] = info.swap_total;
  slots_[swapFreeBytes] = info.swap_free;
  slots_.set_reason(memReason, reason);
}

void HostReader::sample_pressure() {
  slots_[psiScope] = kAbsent;
  const auto directory = cgroup_.pressure_directory();
  if (cgroup_.generation() != pressure_generation_) {
    for (auto& file : pressure_files_) file.close();
    pressure_generation_ = cgroup_.generation();
  }
  constexpr std::string_view kHostNames[] = {"/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/io"};
  constexpr std::string_view kGroupNames[] = {"/cpu.pressure", "/memory.pressure", "/io.pressure"};
  const auto names = directory.empty() ? std::span(kHostNames) : std::span(kGroupNames);
  Pressure pressures[3];
  Reason reasons[3];
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto [reason, text] = pressure_files_[i].read({root(), directory, names[i]}, buffer_);
    reasons[i] = reason == Reason::ok ? parse_pressure(text, pressures[i]) : reason;
    if (reasons[i] == Reason::ok) slots_[psiScope] = directory.empty() ? 0 : 1;
  }
  const auto& [cpu, memory, io] = pressures;
  slots_[psiCpuSomeAvg10] = cpu.some.avg10;
  slots_[psiCpuSomeAvg60] = cpu.some.avg60;
  slots_[psiCpuSomeTotalUs] = cpu.some.total_us;
  slots_[psiMemorySomeAvg10] = memory.some.avg10;
  slots_[psiMemoryFullAvg10] = memory.full.avg10;
  slots_[psiMemorySomeTotalUs] = memory.some.total_us;
  slots_[psiIoSomeAvg10] = io.some.avg10;
  slots_[psiIoFullAvg10] = io.full.avg10;
  slots_[psiIoSomeTotalUs] = io.some.total_us;
  slots_.set_reason(psiCpuReason, reasons[0]);
  slots_.set_reason(psiMemoryReason, reasons[1]);
  slots_.set_reason(psiIoReason, reasons[2]);
}

void HostReader::sample_open_files(double now_ms) {
  double count = kAbsent;
  Reason reason = open_files_.count({root(), "/proc/self/fd", ""}, buffer_, count);
  slots_[openFds] = count;

  if (now_ms >= max_files_due_ms_) {
    const auto [read_reason, text] = read(limits_, "/proc/self/limits");
    max_files_ = kAbsent;
    max_files_reason_ = read_reason == Reason::ok ? parse_open_files_limit(text, max_files_) : read_reason;
    if (max_files_reason_ == Reason::ok) max_files_due_ms_ = now_ms + kMaxFilesEveryMs;
  }
  slots_[maxFds] = max_files_;
  if (reason == Reason::ok) reason = max_files_reason_;
  slots_.set_reason(fdReason, reason);
}

}  // namespace inference_health::host
