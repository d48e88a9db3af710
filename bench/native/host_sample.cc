// host_sample --rounds N: one sample of the host sampler against the bare system calls that it needs, in turn, in one
// process. Prints one line of JSON.
//
// What it needs is not listed here but seen: after two samples the descriptors that the sampler keeps open are its files,
// so that the comparison follows the sampler by itself.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "common.h"
#include "histogram.h"
#include "host/host_reader.h"

namespace {

std::set<int> openDescriptors() {
  std::set<int> found;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') found.insert(std::atoi(entry->d_name));
  }
  found.erase(dirfd(directory));
  closedir(directory);
  return found;
}

struct NeededFiles {
  std::vector<int> files;
  // Only their size is asked for.
  std::vector<int> directories;
};

NeededFiles filesAmong(const std::set<int>& descriptors) {
  NeededFiles needed;
  for (const int fd : descriptors) {
    struct stat info {};
    fstat(fd, &info);
    (S_ISDIR(info.st_mode) ? needed.directories : needed.files).push_back(fd);
  }
  return needed;
}

void readBare(const NeededFiles& needed, std::vector<char>& buffer) {
  for (const int fd : needed.files) {
    if (pread(fd, buffer.data(), buffer.size(), 0) < 0) bench::fail("pread");
  }
  for (const int fd : needed.directories) {
    struct stat info {};
    if (fstat(fd, &info) != 0) bench::fail("fstat");
  }
}

}  // namespace

int main(int count, char** values) {
  const bench::Arguments arguments(count, values);
  const auto rounds = static_cast<int>(arguments.number("rounds", 20000));
  const auto before = openDescriptors();

  const auto reader = std::make_unique<inference_health::host::HostReader>();
  if (!reader->configure("", false)) bench::fail("configure");
  // The reader's clock advances by a second a sample, as at 1 Hz, so that it skips nothing as too recent.
  double nowMs = static_cast<double>(bench::nowNs()) / 1e6;
  const double wallMs = 1.7e12;
  const auto sample = [&] {
    nowMs += 1000;
    reader->sample(nowMs, wallMs);
  };
  sample();
  sample();

  std::set<int> kept;
  std::ranges::set_difference(openDescriptors(), before, std::inserter(kept, kept.end()));
  const NeededFiles needed = filesAmong(kept);
  std::vector<char> buffer(256 * 1024);

  const auto samples = std::make_unique<bench::Histogram>();
  const auto bare = std::make_unique<bench::Histogram>();
  for (int round = 0; round < rounds; round++) {
    const uint64_t start = bench::nowNs();
    sample();
    const uint64_t middle = bench::nowNs();
    readBare(needed, buffer);
    const uint64_t end = bench::nowNs();
    samples->record(middle - start);
    bare->record(end - middle);
  }
  const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  std::printf("{\"files\":%zu,\"sampleUs\":%.3f,\"sampleP99Us\":%.3f,\"bareUs\":%.3f,\"bareP99Us\":%.3f}\n",
              needed.files.size() + needed.directories.size(), us(samples->quantile(0.5)), us(samples->quantile(0.99)),
              us(bare->quantile(0.5)), us(bare->quantile(0.99)));
  return 0;
}
