// host_sample --rounds N: one sample of the host sampler against the bare system calls that it needs, in turn, in one
// process. Prints one line of JSON.
//
// What it needs is not listed here but seen: the linker sends the sampler's calls of pread and fstat through the functions
// below (--wrap), which note the descriptors during one sample.
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "common.h"
#include "histogram.h"
#include "host/host_reader.h"

namespace {

struct Calls {
  bool areNoted = false;
  std::vector<int> preads;
  std::vector<int> fstats;
};

Calls calls;

}  // namespace

extern "C" {
ssize_t __real_pread(int fd, void* into, size_t size, off_t offset);
int __real_fstat(int fd, struct stat* into);

ssize_t __wrap_pread(int fd, void* into, size_t size, off_t offset) {
  if (calls.areNoted) calls.preads.push_back(fd);
  return __real_pread(fd, into, size, offset);
}

int __wrap_fstat(int fd, struct stat* into) {
  if (calls.areNoted) calls.fstats.push_back(fd);
  return __real_fstat(fd, into);
}
}

namespace {

void callBare(std::vector<char>& buffer) {
  for (const int fd : calls.preads) {
    if (__real_pread(fd, buffer.data(), buffer.size(), 0) < 0) bench::fail("pread");
  }
  for (const int fd : calls.fstats) {
    struct stat info {};
    if (__real_fstat(fd, &info) != 0) bench::fail("fstat");
  }
}

template <typename Action>
uint64_t timed(useconds_t pauseUs, const Action& action) {
  if (pauseUs > 0) usleep(pauseUs);
  const uint64_t start = bench::nowNs();
  action();
  return bench::nowNs() - start;
}

}  // namespace

int main(int count, char** values) {
  const bench::Arguments arguments(count, values);
  const auto rounds = static_cast<int>(arguments.number("rounds", 20000));
  // A pause before each sample shows it as it is at a rate: caches cold, the core asleep.
  const auto pauseUs = static_cast<useconds_t>(arguments.number("pause-ms", 0) * 1000);

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

  calls.areNoted = true;
  sample();
  calls.areNoted = false;

  std::vector<char> buffer(256 * 1024);

  const auto samples = std::make_unique<bench::Histogram>();
  const auto bare = std::make_unique<bench::Histogram>();
  for (int round = 0; round < rounds; round++) {
    samples->record(timed(pauseUs, sample));
    bare->record(timed(pauseUs, [&] { callBare(buffer); }));
  }
  const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  std::printf("{\"calls\":%zu,\"sampleUs\":%.3f,\"sampleP99Us\":%.3f,\"bareUs\":%.3f,\"bareP99Us\":%.3f}\n",
              calls.preads.size() + calls.fstats.size(), us(samples->quantile(0.5)), us(samples->quantile(0.99)),
              us(bare->quantile(0.5)), us(bare->quantile(0.99)));
  return 0;
}
