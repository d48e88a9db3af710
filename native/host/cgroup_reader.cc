#include "host/cgroup_reader.h"

#include <algorithm>

namespace inference_health::host {

namespace {

// A move to another group is silent: kept descriptors go on reading the old one.
constexpr double kLocateEveryMs = 60'000;
constexpr double kLocateAfterLossMs = 1'000;

using enum HostField;
using Controller = CgroupLocation::Controller;

bool is_known(double value) { return value == value; }

}  // namespace

void CgroupReader::sample(std::string_view root, double now_ms, bool is_memory_due, Due due, std::span<char> buffer,
                          HostSlots& slots) {
  root_ = root;
  buffer_ = buffer;
  if (!located_ || now_ms >= locate_due_ms_) {
    locate(now_ms);
    is_memory_due = true;
    due = {true, true};
    slots.clear(cgroupVersion, cgroupPidsReason);
  }

  const auto& memory = location_.of(Controller::memory);
  if (location_.has_v1 || location_.has_v2) {
    const bool is_v2 = memory.reason == Reason::ok ? memory.is_v2 : location_.has_v2;
    slots[cgroupVersion] = is_v2 ? 2 : 1;
    slots[cgroupHybrid] = location_.has_v1 && location_.has_v2 ? 1 : 0;
  }
  lost_ = false;
  if (is_memory_due) {
    sample_memory(due.slow, slots);
    // What was read of the group before counts no more.
    if (lost_ && !due.slow) sample_memory(true, slots);
  }
  if (due.counters) sample_cpu(now_ms, due.slow || lost_, slots);
  if (due.slow) sample_pids(slots);
  if (lost_) locate_due_ms_ = std::min(locate_due_ms_, located_at_ms_ + kLocateAfterLossMs);
}

void CgroupReader::locate(double now_ms) {
  locate_cgroups(root_, buffer_, scratch_);
  if (!located_ || !(scratch_ == location_)) {
    location_ = scratch_;
    ++generation_;
    for_each_file([](KeptFile& file) { file.close(); });
    cpu_usage_rate_.reset();
    throttle_rate_.reset();
  }
  for_each_file([](KeptFile& file) { file.forget_absence(); });
  const bool had_own_pressure = !pressure_directory_.empty();
  pressure_directory_ = find_pressure_directory();
  if (had_own_pressure != !pressure_directory_.empty()) ++generation_;
  located_ = true;
  located_at_ms_ = now_ms;
  locate_due_ms_ = now_ms + kLocateEveryMs;
}

// One reason for use and limit: what is wrong with either, else whether there is a limit. Where no level has the
// controller, there is no use to miss.
Reason CgroupReader::overall_reason(Reason use, const EffectiveLimit& limit) {
  const bool is_limit_known = limit.reason == Reason::ok || limit.reason == Reason::unlimited;
  if (!is_limit_known || use == Reason::ok || (use == Reason::missing && !limit.has_file)) return limit.reason;
  return use;
}

// The true root's own pressure is the host's, and an administrator can turn a group's off.
std::string_view CgroupReader::find_pressure_directory() {
  const auto& unified = location_.v2;
  if (unified.reason != Reason::ok || unified.is_root()) return {};
  const auto directory = unified.chain.directory(0);
  KeptFile file;
  const Reason reason = file.read({root_, directory, "/memory.pressure"}, buffer_).reason;
  return reason == Reason::missing || reason == Reason::unsupported ? std::string_view{} : directory;
}

template <typename Action>
void CgroupReader::for_each_file(Action action) {
  for (auto* files : {&memory_limits_, &memory_highs_, &cpu_quotas_, &cpu_periods_, &pids_limits_}) {
    for (auto& file : *files) action(file);
  }
  for (auto* file : {&memory_usage_, &memory_stat_, &memory_swap_, &memory_events_, &cpu_stat_, &cpu_usage_, &pids_current_}) {
    action(*file);
  }
}

FileText CgroupReader::read_file(KeptFile& file, std::string_view directory, std::string_view name) {
  const bool was_open = file.is_open();
  const auto result = file.read_if_present({root_, directory, name}, buffer_);
  if (was_open && result.reason == Reason::missing) lost_ = true;
  return result;
}

template <typename Parse>
Reason CgroupReader::read_number(KeptFile& file, std::string_view directory, std::string_view name, Parse parse,
                                 double& value) {
  const auto [reason, text] = read_file(file, directory, name);
  const Reason result = reason == Reason::ok ? parse(text, value) : reason;
  if (result != Reason::ok) value = kAbsent;
  return result;
}

// `read_level(level, limit)` gives the limit of one level. Levels without the file are skipped: the root has none, and
// neither has a group whose parent does not delegate the controller.
template <typename ReadLevel>
CgroupReader::EffectiveLimit CgroupReader::lowest_limit(const CgroupHierarchy& hierarchy, ReadLevel read_level) {
  EffectiveLimit lowest{Reason::unlimited, kUnlimited, 0, false};
  for (std::size_t level = 0; level < hierarchy.chain.levels(); ++level) {
    double limit = kAbsent;
    const Reason reason = read_level(level, limit);
    if (reason == Reason::missing) continue;
    if (reason != Reason::ok) return {reason, kAbsent, 0, true};
    if (!lowest.has_file) lowest.level = level;
    lowest.has_file = true;
    // Of equal limits the outermost binds: the use of the others is part of its own.
    if (limit < kUnlimited && limit <= lowest.value) lowest = {Reason::ok, limit, level, true};
  }
  // No file at any level means no limit only where no level is hidden and none has just disappeared.
  if (!lowest.has_file && (!hierarchy.reaches_root || lost_)) lowest.reason = Reason::missing;
  if (lowest.reason != Reason::ok) lowest.value = kAbsent;
  return lowest;
}

template <typename Parse>
CgroupReader::EffectiveLimit CgroupReader::lowest_limit(const CgroupHierarchy& hierarchy, LevelFiles& files,
                                                        std::string_view name, Parse parse) {
  return lowest_limit(hierarchy, [&](std::size_t level, double& limit) {
    return read_number(files[level], hierarchy.chain.directory(level), name, parse, limit);
  });
}

void CgroupReader::sample_memory(bool is_slow_due, HostSlots& slots) {
  const auto& group = location_.of(Controller::memory);
  if (group.reason != Reason::ok) return slots.set_reason(cgroupMemoryReason, group.reason);
  const bool v2 = group.is_v2;
  const double memory_total = slots[memTotalBytes];
  if (is_slow_due) {
    memory_limit_ = lowest_limit(group, memory_limits_, v2 ? "/memory.max" : "/memory.limit_in_bytes", parse_limit);
  }
  auto limit = memory_limit_;
  // A limit that the machine cannot reach limits nothing.
  if (limit.reason == Reason::ok && limit.value >= memory_total) {
    limit.reason = Reason::unlimited;
    limit.value = kAbsent;
  }

  if (limit.level != memory_level_) {
    for (auto* file : {&memory_usage_, &memory_stat_, &memory_swap_}) file->close();
    memory_level_ = limit.level;
  }
  const auto directory = group.chain.directory(limit.level);
  double usage = kAbsent;
  Reason reason = read_number(memory_usage_, directory, v2 ? "/memory.current" : "/memory.usage_in_bytes", parse_count, usage);
  CgroupMemoryStat stat{kAbsent, kAbsent, kAbsent};
  if (reason == Reason::ok) {
    const auto [stat_reason, text] = read_file(memory_stat_, directory, "/memory.stat");
    reason = stat_reason == Reason::ok ? parse_memory_stat(text, stat) : stat_reason;
  }
  slots[cgroupWorkingSetBytes] = reason == Reason::ok ? std::max(0.0, usage - stat.inactive_file) : kAbsent;
  // Version 1 also tells the limit of ancestors that a namespace hides.
  if (stat.hierarchical_limit < memory_total && !(stat.hierarchical_limit >= limit.value) &&
      (limit.reason == Reason::ok || limit.reason == Reason::unlimited)) {
    limit.reason = Reason::ok;
    limit.value = stat.hierarchical_limit;
  }

  slots[cgroupMemoryLimitBytes] = limit.value;
  slots[cgroupMemoryUsageBytes] = usage;
  slots.set_reason(cgroupMemoryReason, overall_reason(reason, limit));
  if (!v2) slots[cgroupSwapBytes] = stat.swap;
  if (!is_slow_due) return;

  if (v2) {
    slots[cgroupMemoryHighBytes] = lowest_limit(group, memory_highs_, "/memory.high", parse_limit).value;
    read_number(memory_swap_, directory, "/memory.swap.current", parse_count, slots[cgroupSwapBytes]);
  }
  // Events are those of the group that this process is in: a neighbour's kill is not ours.
  const auto events_text =
      read_file(memory_events_, group.chain.directory(0), v2 ? "/memory.events" : "/memory.oom_control");
  CgroupOomEvents events{kAbsent, kAbsent};
  if (events_text.reason == Reason::ok) parse_oom_events(events_text.text, events);
  slots[cgroupOomEvents] = events.oom;
  slots[cgroupOomKillEvents] = events.oom_kill;
}

CgroupReader::EffectiveLimit CgroupReader::find_quota(const CgroupHierarchy& group) {
  if (group.is_v2) return lowest_limit(group, cpu_quotas_, "/cpu.max", parse_cpu_max);
  return lowest_limit(group, [&](std::size_t level, double& cores) {
    const auto directory = group.chain.directory(level);
    double period_us = kAbsent;
    Reason reason = read_number(cpu_quotas_[level], directory, "/cpu.cfs_quota_us", parse_cfs_quota, cores);
    if (reason != Reason::ok || cores == kUnlimited) return reason;
    reason = read_number(cpu_periods_[level], directory, "/cpu.cfs_period_us", parse_count, period_us);
    if (reason == Reason::ok && !(period_us > 0)) reason = Reason::malformed;
    cores /= period_us;
    return reason;
  });
}

void CgroupReader::sample_cpu(double now_ms, bool is_slow_due, HostSlots& slots) {
  slots.clear(cgroupCpuQuotaCores, cgroupCpuReason);
  const auto& group = location_.of(Controller::cpu);
  if (group.reason != Reason::ok) return slots.set_reason(cgroupCpuReason, group.reason);
  const auto& chain = group.chain;
  if (is_slow_due) cpu_quota_ = find_quota(group);
  const auto& quota = cpu_quota_;
  if (quota.level != cpu_level_) {
    cpu_stat_.close();
    cpu_usage_.close();
    cpu_usage_rate_.reset();
    throttle_rate_.reset();
    cpu_level_ = quota.level;
  }

  const auto [read_reason, text] = read_file(cpu_stat_, chain.directory(quota.level), "/cpu.stat");
  CgroupCpuStat stat{kAbsent, kAbsent, kAbsent, kAbsent};
  Reason reason = read_reason == Reason::ok ? parse_cpu_stat_file(text, stat) : read_reason;
  if (!group.is_v2) stat.usage_us = cpu_usage_us(quota.level, stat);
  slots[cgroupCpuQuotaCores] = quota.value;
  slots[cgroupCpuPeriods] = stat.periods;
  slots[cgroupCpuThrottledPeriods] = stat.throttled_periods;
  slots[cgroupCpuThrottledMs] = stat.throttled_us / 1e3;
  if (is_known(stat.usage_us)) {
    slots[cgroupCpuUsageCores] = cpu_usage_rate_.update(now_ms, stat.usage_us / 1e3, now_ms);
  }
  if (is_known(stat.periods) && is_known(stat.throttled_periods)) {
    slots[cgroupCpuThrottledRatio] = throttle_rate_.update(now_ms, stat.throttled_periods, stat.periods);
  }

  reason = overall_reason(reason, quota);
  if (reason == Reason::ok && !is_known(slots[cgroupCpuUsageCores])) {
    reason = is_known(stat.usage_us) ? Reason::needs_second_sample : Reason::missing;
  }
  slots.set_reason(cgroupCpuReason, reason);
}

// Version 1 counts use in the cpuacct hierarchy. Where that is another mount than cpu's, the same path in it is the same
// group by every convention; if the paths differ, only this process's own group is known.
double CgroupReader::cpu_usage_us(std::size_t cpu_level, const CgroupCpuStat& stat) {
  const auto& cpu = location_.v1[Controller::cpu];
  const auto& accounting = location_.v1[Controller::cpuacct];
  if (accounting.reason != Reason::ok) return stat.usage_us;
  const bool is_same_group = cpu.chain.relative() == accounting.chain.relative();
  double usage_ns = kAbsent;
  read_number(cpu_usage_, accounting.chain.directory(is_same_group ? cpu_level : 0), "/cpuacct.usage", parse_count, usage_ns);
  return usage_ns / 1e3;
}

void CgroupReader::sample_pids(HostSlots& slots) {
  const auto& group = location_.of(Controller::pids);
  if (group.reason != Reason::ok) return slots.set_reason(cgroupPidsReason, group.reason);
  const auto limit = lowest_limit(group, pids_limits_, "/pids.max", parse_limit);
  if (limit.level != pids_level_) {
    pids_current_.close();
    pids_level_ = limit.level;
  }
  double current = kAbsent;
  const Reason reason = read_number(pids_current_, group.chain.directory(limit.level), "/pids.current", parse_count, current);
  slots[cgroupPidsCurrent] = current;
  slots[cgroupPidsMax] = limit.value;
  slots.set_reason(cgroupPidsReason, overall_reason(reason, limit));
}

}  // namespace inference_health::host
