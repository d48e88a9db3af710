#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>

namespace inference_health::gpu {

/// Wakes one thread without a lock that it could hold. Signals that nobody waits for are kept as one.
class Wake {
 public:
  Wake() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Wake() {
    if (fd_ >= 0) close(fd_);
  }
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;

  void signal() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
  }

  /// Returns on a signal or after the time. `other` is waited for, too, unless it is negative; true when it is readable.
  bool wait(double milliseconds, int other = -1) {
    pollfd fds[2] = {{fd_, POLLIN, 0}, {other, POLLIN, 0}};
    poll(fds, 2, static_cast<int>(std::ceil(std::fmin(std::fmax(milliseconds, 0), 3'600'000))));
    std::uint64_t count;
    [[maybe_unused]] const auto length = read(fd_, &count, sizeof count);
    return (fds[1].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
  }

 private:
  int fd_;
};

}  // namespace inference_health::gpu
