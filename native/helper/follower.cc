// The thread that follows a helper which somebody else runs, a sidecar container or a supervisor of the host: it finds the
// file that the helper writes and sees whether the helper lives.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>

#include "helper/run.h"
#include "snapshot/clock.h"

namespace inference_health::helper {
namespace {

using gpu::HelperState;

constexpr double kTurnMs = 500;

class Follower {
 public:
  explicit Follower(std::shared_ptr<Run> run) : run_(std::move(run)) {}
  ~Follower() {
    // A release was this process's wish.
    run_->command([](std::uint32_t before) { return before & ~kDesiredBits; });
    run_->use(nullptr);
    if (fd_ >= 0) close(fd_);
  }

  void run() {
    while (!run_->is_stopping.load(std::memory_order_acquire)) {
      const double now = monotonic_ms();
      look(now);
      judge(now);
      run_->wake.wait(kTurnMs);
    }
  }

 private:
  /// The file is another one when a helper of another build has made it anew. The old mapping stays: readers may be in it.
  void look(double now) {
    struct stat info;
    if (stat(run_->options.segment.c_str(), &info) != 0) return;
    if (mapping_ != nullptr && info.st_ino == inode_ && info.st_dev == device_) return;
    if (info.st_size < static_cast<off_t>(sizeof(Mapping)) || !S_ISREG(info.st_mode)) return;
    bool may_write = true;
    int fd = open(run_->options.segment.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
      // It can be read, and nothing can be asked of the helper.
      may_write = false;
      fd = open(run_->options.segment.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }
    // Looked at once more: it may be another file by now, one that is just being made, and to read beyond its end is the
    // end of this process.
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size < static_cast<off_t>(sizeof(Mapping)) || !S_ISREG(info.st_mode)) {
      if (fd >= 0) close(fd);
      return;
    }
    void* const memory = mmap(nullptr, sizeof(Mapping), PROT_READ | (may_write ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
    auto* const mapping = memory == MAP_FAILED ? nullptr : static_cast<Mapping*>(memory);
    if (mapping == nullptr || !mapping->is_ours()) {
      if (mapping != nullptr) munmap(memory, sizeof(Mapping));
      close(fd);
      return;
    }
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
    inode_ = info.st_ino;
    device_ = info.st_dev;
    mapping_ = mapping;
    seen_ms_ = now;
    run_->use(may_write ? mapping : nullptr);
    gpu::set_readable_block(&mapping->block);
  }

  void judge(double now) {
    const double heartbeat = mapping_ == nullptr ? 0 : mapping_->block.heartbeat_ms.load(std::memory_order_acquire);
    const double last = std::max(heartbeat, seen_ms_);
    const bool is_late = now - last > run_->options.silent_ms;
    const bool may_come = mapping_ == nullptr && !is_late;
    const HelperState state = has_writer() ? (is_late ? HelperState::stuck : HelperState::running)
                              : may_come   ? HelperState::running
                                           : HelperState::ended;
    if (state == state_) return;
    state_ = state;
    if (!run_->is_stopping.load(std::memory_order_acquire))
      gpu::set_helper(state, 0, 0, state == HelperState::stuck ? last : 0);
  }

  /// A helper holds its file's lock until it has ended, which one that is stuck in the driver has not.
  bool has_writer() {
    if (fd_ < 0) return false;
    if (flock(fd_, LOCK_SH | LOCK_NB) != 0) return true;
    flock(fd_, LOCK_UN);
    return false;
  }

  std::shared_ptr<Run> run_;
  Mapping* mapping_ = nullptr;
  int fd_ = -1;
  ino_t inode_ = 0;
  dev_t device_ = 0;
  HelperState state_ = HelperState::running;
  double seen_ms_ = monotonic_ms();
};

}  // namespace

void follow(std::shared_ptr<Run> run) {
  {
    Follower follower(run);
    follower.run();
  }
  run->is_over.store(true, std::memory_order_release);
}

}  // namespace inference_health::helper
