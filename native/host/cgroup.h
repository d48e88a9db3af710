// Control groups: parsers of the membership and mount lists and of the files of both versions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "snapshot/layout.h"

namespace inference_health::host {

/// What a limit file says when it limits nothing.
inline constexpr double kUnlimited = std::numeric_limits<double>::infinity();

/// One line of /proc/self/cgroup: "4:memory:/path" (version 1) or "0::/path" (version 2).
struct CgroupMembership {
  bool is_v2;
  std::string_view controllers;  // comma separated, version 1 only
  std::string_view path;         // seen from the process's cgroup namespace; may begin with /..
};

std::optional<CgroupMembership> parse_membership(std::string_view line);

/// One line of /proc/self/mountinfo, if it is a mount of a cgroup file system. Paths keep the kernel's \ooo escapes.
struct CgroupMount {
  bool is_v2;
  std::string_view controllers;  // comma separated super-block options, version 1 only
  std::string_view root;         // what part of the hierarchy is mounted
  std::string_view point;
};

std::optional<CgroupMount> parse_cgroup_mount(std::string_view line);

/// Whether a comma-separated list has `name` as an element.
bool has_element(std::string_view list, std::string_view name);

/// Decodes \ooo escapes into `into`; nothing when it does not fit. Returns a view of `into`.
std::optional<std::string_view> decode_path(std::string_view escaped, std::span<char> into);

enum class Placement {
  inside,   // `relative` leads from the mount to the cgroup
  above,    // the mount shows an ancestor, but the namespace hides the names in between
  outside,  // the cgroup is not below this mount
};

/// Where cgroup `path` lies under a mount of `root`. Both are seen from the same namespace and may begin with /..
Placement place_cgroup(std::string_view root, std::string_view path, std::string_view& relative);

/// "max" or a number, as in memory.max, memory.limit_in_bytes and pids.max.
Reason parse_limit(std::string_view text, double& limit);

/// A single number, as in memory.current or cpuacct.usage.
Reason parse_count(std::string_view text, double& value);

/// cpu.max: "max 100000" or "150000 100000", in cores.
Reason parse_cpu_max(std::string_view text, double& cores);

/// cpu.cfs_quota_us, where −1 means none (kUnlimited).
Reason parse_cfs_quota(std::string_view text, double& quota_us);

/// cpu.stat of both versions; NaN for lines that are not there. Version 1 has no usage, a group without the cpu
/// controller no throttling.
struct CgroupCpuStat {
  double usage_us;
  double periods;
  double throttled_periods;
  double throttled_us;
};

Reason parse_cpu_stat_file(std::string_view text, CgroupCpuStat& stat);

/// memory.stat of both versions, bytes; NaN for lines that are not there. The last two are in version 1's only.
struct CgroupMemoryStat {
  double inactive_file;
  double swap;
  double hierarchical_limit;  // the lowest limit of all ancestors, hidden ones too
};

Reason parse_memory_stat(std::string_view text, CgroupMemoryStat& stat);

/// memory.events (version 2) or memory.oom_control (version 1, without `oom`).
struct CgroupOomEvents {
  double oom;
  double oom_kill;
};

Reason parse_oom_events(std::string_view text, CgroupOomEvents& events);

}  // namespace inference_health::host
