#include "host/cgroup.h"

#include "test.h"

namespace inference_health::host {
namespace {

Placement place(std::string_view root, std::string_view path, std::string_view& relative) {
  return place_cgroup(root, path, relative);
}

double limit_of(std::string_view text) {
  double limit = -1;
  return parse_limit(text, limit) == Reason::ok ? limit : -1;
}

}  // namespace

TEST("a membership line has an id, controllers and a path that may hold colons") {
  const auto v1 = parse_membership("4:cpu,cpuacct:/batch/job:1");
  CHECK(v1 && !v1->is_v2);
  CHECK_EQUAL(v1->controllers, "cpu,cpuacct");
  CHECK_EQUAL(v1->path, "/batch/job:1");
  const auto v2 = parse_membership("0::/../x");
  CHECK(v2 && v2->is_v2);
  CHECK_EQUAL(v2->path, "/../x");
  for (const auto line : {"", "0", "0:", "0::", "0::x", ":memory:/", "x:memory:/"}) CHECK(!parse_membership(line));
}

TEST("mount lines have any number of optional fields") {
  for (const auto optional : {"", " shared:1", " shared:1 master:2 propagate_from:3 unbindable"}) {
    const auto line = "36 25 0:32 /docker/a /sys/fs/cgroup/memory rw,relatime" + std::string(optional) + " - cgroup cgroup rw,memory";
    const auto mount = parse_cgroup_mount(line);
    CHECK(mount && !mount->is_v2);
    CHECK_EQUAL(mount->root, "/docker/a");
    CHECK_EQUAL(mount->point, "/sys/fs/cgroup/memory");
    CHECK(has_element(mount->controllers, "memory"));
  }
  CHECK(parse_cgroup_mount("35 23 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate")->is_v2);
  for (const auto line : {"", " - ", " - cgroup", "1 2 3 / /a rw - tmpfs cgroup rw,memory", "1 2 3 a b rw - cgroup c rw"}) {
    CHECK(!parse_cgroup_mount(line));
  }
}

TEST("a controller is a whole element of its list") {
  CHECK(has_element("rw,cpu,cpuacct", "cpu"));
  CHECK(!has_element("rw,cpuacct,cpuset", "cpu"));
  CHECK(!has_element("", "cpu"));
}

TEST("octal escapes of mount paths are decoded") {
  char buffer[16];
  CHECK_EQUAL(decode_path("/a\\040b\\134", buffer).value_or(""), "/a b\\");
  CHECK_EQUAL(decode_path("/a\\04", buffer).value_or(""), "/a\\04");
  CHECK(!decode_path("/12345678901234567", buffer));
}

TEST("a group is placed relative to what is mounted") {
  std::string_view relative;
  CHECK_EQUAL(place("/", "/", relative), Placement::inside);
  CHECK_EQUAL(relative, "");
  CHECK_EQUAL(place("/", "/a/b", relative), Placement::inside);
  CHECK_EQUAL(relative, "/a/b");
  CHECK_EQUAL(place("/docker/x", "/docker/x/child", relative), Placement::inside);
  CHECK_EQUAL(relative, "/child");
  CHECK_EQUAL(place("/docker/x", "/docker/xy", relative), Placement::outside);
  CHECK_EQUAL(place("/docker/x", "/", relative), Placement::outside);
}

TEST("paths that leave the namespace are placed where they can be seen") {
  std::string_view relative;
  CHECK_EQUAL(place("/", "/../../other", relative), Placement::outside);
  CHECK_EQUAL(place("/../..", "/../../other", relative), Placement::inside);
  CHECK_EQUAL(relative, "/other");
  CHECK_EQUAL(place("/../..", "/", relative), Placement::above);
  CHECK_EQUAL(place("/../..", "/../x", relative), Placement::above);
  CHECK_EQUAL(place("/../sibling", "/", relative), Placement::outside);
  CHECK_EQUAL(place("/..", "/..", relative), Placement::inside);
  CHECK_EQUAL(place("/", "/..x", relative), Placement::inside);
  CHECK_EQUAL(relative, "/..x");
}

TEST("both versions' words for no limit are understood") {
  CHECK_EQUAL(limit_of("max\n"), kUnlimited);
  CHECK_EQUAL(limit_of("9223372036854771712\n"), kUnlimited);
  CHECK_EQUAL(limit_of("9223372036854710272\n"), kUnlimited);
  CHECK_EQUAL(limit_of("2147483648\n"), 2147483648.0);
  CHECK_EQUAL(limit_of("0\n"), 0.0);
  for (const auto text : {"", "\n", "maximum\n", "-1\n", "12k\n"}) CHECK_EQUAL(limit_of(text), -1.0);
}

TEST("cpu.max is quota over period") {
  double cores = 0;
  CHECK_EQUAL(parse_cpu_max("150000 100000\n", cores), Reason::ok);
  CHECK_EQUAL(cores, 1.5);
  CHECK_EQUAL(parse_cpu_max("max 100000\n", cores), Reason::ok);
  CHECK_EQUAL(cores, kUnlimited);
  for (const auto text : {"", "100000\n", "100000 0\n", "0 100000\n", "max", "a b\n"}) {
    CHECK_EQUAL(parse_cpu_max(text, cores), std::string_view(text) == "max" ? Reason::ok : Reason::malformed);
  }
  CHECK_EQUAL(parse_cfs_quota("-1\n", cores), Reason::ok);
  CHECK_EQUAL(cores, kUnlimited);
  CHECK_EQUAL(parse_cfs_quota("50000\n", cores), Reason::ok);
  CHECK_EQUAL(cores, 50000.0);
  CHECK_EQUAL(parse_cfs_quota("-\n", cores), Reason::malformed);
}

TEST("throttled time is microseconds in version 2 and nanoseconds in version 1") {
  CgroupCpuStat stat{};
  CHECK_EQUAL(parse_cpu_stat_file("usage_usec 5\nnr_periods 8\nnr_throttled 2\nthrottled_usec 7000\n", stat), Reason::ok);
  CHECK_EQUAL(stat.throttled_us, 7000.0);
  CHECK_EQUAL(parse_cpu_stat_file("nr_periods 8\nnr_throttled 2\nthrottled_time 7000\n", stat), Reason::ok);
  CHECK_EQUAL(stat.throttled_us, 7.0);
  CHECK(std::isnan(stat.usage_us));
  CHECK_EQUAL(parse_cpu_stat_file("usage_usec 5\n", stat), Reason::ok);
  CHECK(std::isnan(stat.periods));
  CHECK_EQUAL(parse_cpu_stat_file("nothing 5\n", stat), Reason::malformed);
}

TEST("version 1 counts the whole subtree") {
  CgroupMemoryStat stat{};
  CHECK_EQUAL(parse_memory_stat("inactive_file 5\nhierarchical_memory_limit 70\ntotal_inactive_file 50\ntotal_swap 9\n", stat),
              Reason::ok);
  CHECK_EQUAL(stat.inactive_file, 50.0);
  CHECK_EQUAL(stat.swap, 9.0);
  CHECK_EQUAL(stat.hierarchical_limit, 70.0);
  CHECK_EQUAL(parse_memory_stat("anon 1\ninactive_file 5\n", stat), Reason::ok);
  CHECK_EQUAL(stat.inactive_file, 5.0);
  CHECK_EQUAL(parse_memory_stat("anon 1\n", stat), Reason::malformed);
  CHECK_EQUAL(parse_memory_stat("inactive_file x\n", stat), Reason::malformed);
}

}  // namespace inference_health::host
