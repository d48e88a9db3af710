// Every file of every fake host is removed, emptied, filled with rubbish and cut at several places, between two samples.
// Whatever happens: no crash, no value that the intact host does not have or could not have, and a reason for each gap.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "host_case.h"

namespace inference_health::host {
namespace {

using enum HostField;
using test::HostCase;

struct Group {
  HostField reason;
  std::vector<HostField> always;  // known whenever the reason is ok
};

const std::vector<Group>& groups() {
  static const std::vector<Group> all = {
      {cpuReason, {cpuBusyRatio, cpuUserRatio, cpuSystemRatio, cpuIowaitRatio, cpuStealRatio}},
      {processCpuReason, {processCpuCores, processCpuUserMs, processCpuSystemMs}},
      {memReason, {memTotalBytes, memAvailableBytes}},
      {processMemReason, {processRssBytes, processSharedBytes}},
      {cgroupMemoryReason, {cgroupMemoryLimitBytes, cgroupMemoryUsageBytes, cgroupWorkingSetBytes}},
      {cgroupCpuReason, {cgroupCpuQuotaCores, cgroupCpuUsageCores}},
      {cgroupPidsReason, {cgroupPidsMax, cgroupPidsCurrent}},
      {psiCpuReason, {psiCpuSomeAvg10, psiCpuSomeAvg60, psiCpuSomeTotalUs}},
      {psiMemoryReason, {psiMemorySomeAvg10, psiMemorySomeTotalUs}},
      {psiIoReason, {psiIoSomeAvg10, psiIoSomeTotalUs}},
      {loadReason, {load1, load5, load15}},
      {fdReason, {openFds, maxFds}},
      {threadsReason, {threads}},
      {uptimeReason, {uptimeSeconds}},
  };
  return all;
}

void check_reasons(HostCase& host, const std::string& what) {
  for (const auto& [reason, always] : groups()) {
    const double value = host[reason];
    if (!(value >= 0 && value <= 7)) test::fail(__FILE__, __LINE__, what + ": a reason is " + std::to_string(value));
    if (value != 0) continue;
    for (const auto field : always) {
      if (std::isnan(host[field])) {
        test::fail(__FILE__, __LINE__, what + ": slot " + std::to_string(static_cast<int>(field)) + " is absent without a reason");
      }
    }
  }
}

std::vector<std::string> damaged(const std::string& text) {
  std::vector<std::string> all = {"", "\n", "rubbish\n", std::string(300, '\xff'), "-1\n", "99999999999999999999999999\n",
                                  std::string("\0\0\0", 3)};
  for (std::size_t part = 1; part < 4; ++part) all.push_back(text.substr(0, text.size() * part / 4));
  return all;
}

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

constexpr const char* kHosts[] = {"v2-container", "v2-nested", "v2-service", "v2-above", "v1-docker", "v1-nested", "hybrid",
                                  "sandbox", "old-kernel"};

}  // namespace

TEST("a removed file never turns a fact into zero") {
  for (const auto* name : kHosts) {
    HostCase host(name);
    host.sample();
    std::map<int, double> before;
    for (std::size_t i = 0; i < kHostSlots; ++i) before[static_cast<int>(i)] = host[static_cast<HostField>(i)];
    for (const auto& path : host.tree.files()) {
      const auto text = host.tree.read(path);
      host.tree.remove(path);
      for (int round = 0; round < 3; ++round) {
        host.sample();
        check_reasons(host, std::string(name) + " without " + path);
        for (const auto& [slot, value] : before) {
          const double now = host[static_cast<HostField>(slot)];
          const bool is_reason = [&] {
            for (const auto& group : groups()) if (static_cast<int>(group.reason) == slot) return true;
            return false;
          }();
          if (!is_reason && now == 0 && value != 0 && static_cast<HostField>(slot) != psiScope && path.find("cgroup") == std::string::npos) {
            test::fail(__FILE__, __LINE__, std::string(name) + " without " + path + ": slot " + std::to_string(slot) + " became 0");
          }
        }
      }
      host.tree.write(path, text);
      host.sample(61'000);
    }
  }
}

TEST("a FIFO and a file without end are neither waited for nor left open") {
  for (const auto* name : {"v2-container", "v1-docker"}) {
    const test::FakeTree intact(name);
    for (const auto& path : intact.files()) {
      for (const bool is_endless : {false, true}) {
        HostCase host(name);
        const auto full = host.tree.root() + path;
        host.tree.remove(path);
        CHECK_EQUAL(is_endless ? symlink("/dev/zero", full.c_str()) : mkfifo(full.c_str(), 0600), 0);
        host.sample(61'000);
        const auto before = open_descriptors();
        for (int round = 0; round < 3; ++round) host.sample(61'000);
        CHECK_EQUAL(open_descriptors(), before);
        check_reasons(host, std::string(name) + " with an unusual " + path);
      }
    }
  }
}

TEST("damaged files always leave a reason") {
  for (const auto* name : kHosts) {
    HostCase host(name);
    host.sample();
    for (const auto& path : host.tree.files()) {
      const auto text = host.tree.read(path);
      for (const auto& wrong : damaged(text)) {
        host.tree.write(path, wrong);
        host.sample(61'000);
        check_reasons(host, std::string(name) + " with damaged " + path);
      }
      host.tree.write(path, text);
      host.sample(61'000);
    }
    CHECK_EQUAL(host.reason(loadReason), Reason::ok);
  }
}

}  // namespace inference_health::host
