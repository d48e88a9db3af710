#include "host/cgroup_location.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "host/text.h"

namespace inference_health::host {

namespace {

constexpr std::string_view kControllerNames[] = {"memory", "cpu", "cpuacct", "pids"};

bool exists(std::string_view root, std::string_view directory, std::string_view name) {
  char joined[PATH_MAX];
  return join_path({root, directory, name}, joined) && access(joined, F_OK) == 0;
}

// Mount lists are far shorter; what is found below a root that someone else made may have no end.
constexpr std::size_t kMaxFileBytes = 4 << 20;

// Reads a file line by line; a line longer than the buffer is cut.
template <typename OnLine>
void for_each_line(const FilePath& path, std::span<char> buffer, OnLine on_line) {
  char joined[PATH_MAX];
  if (!join_path(path, joined)) return;
  const int fd = open(joined, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return;
  std::size_t total = 0;
  std::size_t filled = 0;
  for (;;) {
    const ssize_t length = ::read(fd, buffer.data() + filled, buffer.size() - filled);
    if (length < 0 && errno == EINTR) continue;
    if (length > 0) {
      filled += static_cast<std::size_t>(length);
      total += static_cast<std::size_t>(length);
    }
    std::string_view text(buffer.data(), filled);
    while (text.find('\n') != std::string_view::npos) on_line(take_line(text));
    if (length <= 0 || text.size() == buffer.size()) {
      if (!text.empty()) on_line(text);
      text = {};
    }
    if (length <= 0 || total >= kMaxFileBytes) break;
    filled = text.size();
    if (filled > 0) std::memmove(buffer.data(), text.data(), filled);
  }
  close(fd);
}

struct Memberships {
  std::string_view text;

  template <typename Matches>
  bool find(Matches matches, CgroupMembership& found) const {
    auto rest = text;
    while (!rest.empty()) {
      const auto membership = parse_membership(take_line(rest));
      if (!membership || !matches(*membership)) continue;
      found = *membership;
      return true;
    }
    return false;
  }
};

Reason reason_of_list(const FileText& memberships) {
  // What KeptFile calls malformed is an empty file: a kernel on which no hierarchy is mounted.
  if (memberships.reason == Reason::malformed) return Reason::ok;
  CgroupMembership any;
  const bool has_line = Memberships{memberships.text}.find([](const auto&) { return true; }, any);
  return memberships.reason == Reason::ok && !has_line ? Reason::malformed : memberships.reason;
}

class Locator {
 public:
  Locator(std::string_view root, Memberships memberships, CgroupLocation& location)
      : root_(root), memberships_(memberships), location_(location) {}

  void add_mount(std::string_view line) {
    const auto mount = parse_cgroup_mount(line);
    if (!mount) return;
    CgroupMembership membership;
    if (mount->is_v2) {
      location_.has_v2 = true;
      if (memberships_.find([](const auto& m) { return m.is_v2; }, membership)) {
        consider(*mount, membership, location_.v2);
      }
      return;
    }
    for (std::size_t i = 0; i < CgroupLocation::controllers; ++i) {
      const auto name = kControllerNames[i];
      if (!has_element(mount->controllers, name)) continue;
      location_.has_v1 = true;
      const auto matches = [&](const auto& m) { return !m.is_v2 && has_element(m.controllers, name); };
      if (memberships_.find(matches, membership)) consider(*mount, membership, location_.v1[i]);
    }
  }

 private:
  // A hierarchy can be mounted several times; the mount that shows this group with the most ancestors wins.
  void consider(const CgroupMount& mount, const CgroupMembership& membership, CgroupHierarchy& best) {
    char root_buffer[PATH_MAX], point_buffer[PATH_MAX];
    const auto mount_root = decode_path(mount.root, root_buffer);
    const auto point = decode_path(mount.point, point_buffer);
    if (!mount_root || !point) return;

    std::string_view relative;
    const auto placement = place_cgroup(*mount_root, membership.path, relative);
    if (placement == Placement::outside) {
      if (best.reason == Reason::missing) best.reason = Reason::unsupported;
      return;
    }
    auto& chain = scratch_;
    if (!chain.assign(*point, relative)) return;
    // Some sandboxes show the host's path but mount only their own part: then the nearest ancestor that is there counts.
    while (chain.levels() > 0 && !exists(root_, chain.directory(0), "")) chain.drop(1);
    if (chain.levels() == 0) return;
    if (best.reason == Reason::ok && best.chain.levels() >= chain.levels()) return;

    best.reason = Reason::ok;
    best.is_v2 = mount.is_v2;
    best.chain = chain;
    // In a namespace every path looks like the root; only the true root of version 2 lacks these files.
    const auto top = chain.directory(chain.levels() - 1);
    best.reaches_root = *mount_root == "/" && !(mount.is_v2 && (exists(root_, top, "/cgroup.type") ||
                                                                exists(root_, top, "/memory.max")));
  }

  std::string_view root_;
  Memberships memberships_;
  CgroupLocation& location_;
  CgroupChain scratch_;
};

}  // namespace

bool CgroupChain::assign(std::string_view mount_point, std::string_view relative) {
  *this = {};
  while (mount_point.ends_with('/')) mount_point.remove_suffix(1);
  std::size_t length = mount_point.size() + relative.size();
  if (length >= path_.size()) return false;
  std::copy(mount_point.begin(), mount_point.end(), path_.begin());
  std::copy(relative.begin(), relative.end(), path_.begin() + static_cast<std::ptrdiff_t>(mount_point.size()));
  mount_point_length_ = mount_point.size();

  const std::string_view path(path_.data(), length);
  while (end_ < kMaxLevels) {
    lengths_[end_++] = static_cast<std::uint16_t>(length);
    if (length <= mount_point_length_) break;
    length = std::max(path.rfind('/', length - 1), mount_point_length_);
  }
  return true;
}

void locate_cgroups(std::string_view root, std::span<char> buffer, CgroupLocation& location) {
  location = {};
  // A quarter is far more than a membership list of 16 hierarchies with long paths needs.
  const auto membership_buffer = buffer.first(buffer.size() / 4);
  const auto mount_buffer = buffer.subspan(buffer.size() / 4);
  KeptFile membership_file;
  const auto memberships = membership_file.read({root, "/proc/self/cgroup", ""}, membership_buffer);
  if (const Reason reason = reason_of_list(memberships); reason != Reason::ok) {
    for (auto& hierarchy : location.v1) hierarchy.reason = reason;
    location.v2.reason = reason;
    return;
  }
  Locator locator(root, {memberships.text}, location);
  for_each_line({root, "/proc/self/mountinfo", ""}, mount_buffer, [&](auto line) { locator.add_mount(line); });
}

}  // namespace inference_health::host
