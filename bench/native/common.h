// Arguments and clocks that every tool here needs.
#pragma once

#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

namespace bench {

// CLOCK_MONOTONIC: the clock of process.hrtime, so times can be compared with those that a Node process reports.
inline uint64_t nowNs() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(time.tv_nsec);
}

// CPU time of all threads of a process, also of those that have ended; nanoseconds, where /proc/<pid>/stat counts in 10 ms.
inline uint64_t processCpuNs(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(time.tv_nsec);
}

[[noreturn]] inline void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// `--name value` pairs, nothing else.
class Arguments {
 public:
  Arguments(int count, char** values) {
    for (int index = 1; index + 1 < count; index += 2) {
      std::string_view name = values[index];
      if (!name.starts_with("--")) {
        std::fprintf(stderr, "expected --name value, got %s\n", values[index]);
        std::exit(64);
      }
      values_[std::string(name.substr(2))] = values[index + 1];
    }
  }

  std::string text(const std::string& name, const std::string& fallback) const {
    const auto found = values_.find(name);
    return found == values_.end() ? fallback : found->second;
  }

  double number(const std::string& name, double fallback) const {
    const auto found = values_.find(name);
    return found == values_.end() ? fallback : std::strtod(found->second.c_str(), nullptr);
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace bench
