// Where this process's control groups are in the file system.
#pragma once

#include <array>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "host/cgroup.h"
#include "host/kept_file.h"

namespace inference_health::host {

/// Directories from a control group (level 0) up to the mount point (the last level). Each is a prefix of the first.
class CgroupChain {
 public:
  static constexpr std::size_t kMaxLevels = 64;

  bool assign(std::string_view mount_point, std::string_view relative);
  /// Forgets the `count` innermost levels.
  void drop(std::size_t count) { first_ += count; }

  std::size_t levels() const { return end_ - first_; }
  std::string_view directory(std::size_t level) const { return {path_.data(), lengths_[first_ + level]}; }
  /// What follows the mount point.
  std::string_view relative() const { return directory(0).substr(mount_point_length_); }

  bool operator==(const CgroupChain& other) const {
    return levels() == other.levels() && (levels() == 0 || directory(0) == other.directory(0));
  }

 private:
  std::array<char, PATH_MAX> path_{};
  std::array<std::uint16_t, kMaxLevels> lengths_{};
  std::size_t first_ = 0;
  std::size_t end_ = 0;
  std::size_t mount_point_length_ = 0;
};

struct CgroupHierarchy {
  Reason reason = Reason::missing;
  bool is_v2 = false;
  bool reaches_root = false;  // the outermost level is the true root, not that of a namespace: no ancestor is hidden
  CgroupChain chain;

  bool is_root() const { return reaches_root && chain.levels() == 1; }

  bool operator==(const CgroupHierarchy&) const = default;
};

struct CgroupLocation {
  enum Controller : std::size_t { memory, cpu, cpuacct, pids, controllers };

  std::array<CgroupHierarchy, controllers> v1;
  CgroupHierarchy v2;
  bool has_v1 = false;
  bool has_v2 = false;

  /// The hierarchy that accounts for `controller`: a controller is attached to one version at a time.
  const CgroupHierarchy& of(Controller controller) const {
    return v1[controller].reason == Reason::ok || v2.reason == Reason::missing ? v1[controller] : v2;
  }

  bool operator==(const CgroupLocation&) const = default;
};

/// Reads /proc/self/cgroup and /proc/self/mountinfo below `root` and fills `location`. `buffer` is working space.
void locate_cgroups(std::string_view root, std::span<char> buffer, CgroupLocation& location);

}  // namespace inference_health::host
