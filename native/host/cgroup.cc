#include "host/cgroup.h"

#include <utility>

#include "host/memory.h"
#include "host/text.h"

namespace inference_health::host {

namespace {

double number_or_absent(std::string_view text, std::string_view key) {
  const auto value = find_number(text, key);
  return value ? static_cast<double>(*value) : kAbsent;
}

bool is_absent(double value) { return value != value; }

std::string_view first_field(std::string_view text) {
  auto line = take_line(text);
  return take_field(line);
}

// "/../../a/b" is two levels up, then "/a/b"; "/" is no level and "".
std::pair<std::size_t, std::string_view> split_ups(std::string_view path) {
  std::size_t ups = 0;
  while (path == "/.." || path.starts_with("/../")) {
    path.remove_prefix(3);
    ++ups;
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  return {ups, path};
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

}  // namespace

std::optional<CgroupMembership> parse_membership(std::string_view line) {
  const auto first = line.find(':');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = line.find(':', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto id = parse_unsigned(line.substr(0, first));
  const auto controllers = line.substr(first + 1, second - first - 1);
  const auto path = line.substr(second + 1);
  if (!id || !path.starts_with('/')) return std::nullopt;
  return CgroupMembership{*id == 0 && controllers.empty(), controllers, path};
}

std::optional<CgroupMount> parse_cgroup_mount(std::string_view line) {
  // "32 31 0:29 /root /mount/point rw,relatime shared:1 - cgroup cgroup rw,cpu": optional fields end with a dash.
  std::string_view fields[5];
  for (auto& field : fields) field = take_field(line);
  const auto dash = line.find(" - ");
  if (dash == std::string_view::npos) return std::nullopt;
  line.remove_prefix(dash + 3);
  const auto type = take_field(line);
  const bool is_v2 = type == "cgroup2";
  if (!is_v2 && type != "cgroup") return std::nullopt;
  take_field(line);  // mount source: any text
  const auto options = take_field(line);
  const auto root = fields[3], point = fields[4];
  if (!root.starts_with('/') || !point.starts_with('/')) return std::nullopt;
  return CgroupMount{is_v2, is_v2 ? std::string_view{} : options, root, point};
}

bool has_element(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == name) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

std::optional<std::string_view> decode_path(std::string_view escaped, std::span<char> into) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (length == into.size()) return std::nullopt;
    char c = escaped[i];
    if (c == '\\' && i + 3 < escaped.size() && is_octal(escaped[i + 1]) && is_octal(escaped[i + 2]) &&
        is_octal(escaped[i + 3])) {
      c = static_cast<char>((escaped[i + 1] - '0') * 64 + (escaped[i + 2] - '0') * 8 + (escaped[i + 3] - '0'));
      i += 3;
    }
    into[length++] = c;
  }
  return std::string_view(into.data(), length);
}

Placement place_cgroup(std::string_view root, std::string_view path, std::string_view& relative) {
  const auto [root_ups, root_names] = split_ups(root);
  const auto [path_ups, path_names] = split_ups(path);
  relative = {};
  if (root_ups > path_ups && root_names.empty()) return Placement::above;
  if (root_ups != path_ups || !path_names.starts_with(root_names)) return Placement::outside;
  const auto rest = path_names.substr(root_names.size());
  if (!rest.empty() && rest.front() != '/') return Placement::outside;
  relative = rest;
  return Placement::inside;
}

Reason parse_limit(std::string_view text, double& limit) {
  const auto field = first_field(text);
  if (field == "max") {
    limit = kUnlimited;
    return Reason::ok;
  }
  const auto value = parse_unsigned(field);
  if (!value) return Reason::malformed;
  // Version 1 prints the largest multiple of the page size in 63 bits for "none"; page sizes go up to 64 KiB.
  constexpr std::uint64_t kNone = (std::uint64_t{1} << 63) - (64 << 10);
  limit = *value >= kNone ? kUnlimited : static_cast<double>(*value);
  return Reason::ok;
}

Reason parse_count(std::string_view text, double& value) {
  const auto number = parse_unsigned(first_field(text));
  if (!number) return Reason::malformed;
  value = static_cast<double>(*number);
  return Reason::ok;
}

Reason parse_cpu_max(std::string_view text, double& cores) {
  auto line = take_line(text);
  const auto quota = take_field(line);
  if (quota == "max") {
    cores = kUnlimited;
    return Reason::ok;
  }
  const auto quota_us = parse_unsigned(quota);
  const auto period_us = parse_unsigned(take_field(line));
  if (!quota_us || !period_us || *quota_us == 0 || *period_us == 0) return Reason::malformed;
  cores = static_cast<double>(*quota_us) / static_cast<double>(*period_us);
  return Reason::ok;
}

Reason parse_cfs_quota(std::string_view text, double& quota_us) {
  const auto field = first_field(text);
  if (field.starts_with('-') && parse_unsigned(field.substr(1))) {
    quota_us = kUnlimited;
    return Reason::ok;
  }
  const auto value = parse_unsigned(field);
  if (!value || *value == 0) return Reason::malformed;
  quota_us = static_cast<double>(*value);
  return Reason::ok;
}

Reason parse_cpu_stat_file(std::string_view text, CgroupCpuStat& stat) {
  stat = {
      .usage_us = number_or_absent(text, "usage_usec"),
      .periods = number_or_absent(text, "nr_periods"),
      .throttled_periods = number_or_absent(text, "nr_throttled"),
      .throttled_us = number_or_absent(text, "throttled_usec"),
  };
  if (is_absent(stat.throttled_us)) stat.throttled_us = number_or_absent(text, "throttled_time") / 1e3;
  return is_absent(stat.usage_us) && is_absent(stat.periods) ? Reason::malformed : Reason::ok;
}

Reason parse_memory_stat(std::string_view text, CgroupMemoryStat& stat) {
  // Version 1 prints the group's own pages first and those of its whole subtree, which its usage includes, as total_….
  double own = kAbsent, subtree = kAbsent;
  stat = {kAbsent, kAbsent, kAbsent};
  // One pass: this is the longest of the files that are read with every sample.
  while (!text.empty()) {
    auto line = take_line(text);
    double* into = line.starts_with("inactive_file ")               ? &own
                   : line.starts_with("total_inactive_file ")       ? &subtree
                   : line.starts_with("total_swap ")                ? &stat.swap
                   : line.starts_with("hierarchical_memory_limit ") ? &stat.hierarchical_limit
                                                                    : nullptr;
    if (into == nullptr) continue;
    take_field(line);
    const auto value = parse_unsigned(take_field(line));
    if (!value) return Reason::malformed;
    *into = static_cast<double>(*value);
  }
  stat.inactive_file = is_absent(subtree) ? own : subtree;
  return is_absent(stat.inactive_file) ? Reason::malformed : Reason::ok;
}

Reason parse_oom_events(std::string_view text, CgroupOomEvents& events) {
  events = {number_or_absent(text, "oom"), number_or_absent(text, "oom_kill")};
  return is_absent(events.oom) && is_absent(events.oom_kill) ? Reason::malformed : Reason::ok;
}

}  // namespace inference_health::host
