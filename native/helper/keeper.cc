// The thread that starts the helper process, watches it and starts it anew.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <new>

#include "gpu/thread.h"
#include "helper/run.h"
#include "snapshot/clock.h"

namespace inference_health::helper {
namespace {

using gpu::HelperState;

constexpr double kTurnMs = 500;
constexpr double kFirstRestartMs = 1000, kLastRestartMs = 60'000;
// A helper that ran so long was all right; its successor starts as soon as the first.
constexpr double kSteadyMs = 60'000;
// The thread that publishes never enters the driver: silence means that the process is stopped or cannot end.
constexpr double kSilencesToKill = 3, kGoneMs = 5000;
constexpr double kKillAfterStopMs = 1500;

/// Memory is never unmapped: readers may be reading. A helper keeps its slot until it has ended, however late; there are two,
/// so that one that is stuck does not keep the next start from having one.
struct Slot {
  Mapping* mapping = nullptr;
  int fd = -1;
  std::atomic<bool> is_taken{false};
};
Slot slots[2];

int make_memory() {
  constexpr unsigned kNoExecSeal = 8;  // MFD_NOEXEC_SEAL, which some hosts insist on and kernels before 6.3 refuse
  int fd = memfd_create("inference-health-gpu", MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExecSeal);
  if (fd < 0) fd = memfd_create("inference-health-gpu", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -1;
  // Above what the helper's own descriptors are set to.
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, kMappingFd + 1);
  close(fd);
  fd = moved;
  if (fd >= 0 && ftruncate(fd, sizeof(Mapping)) == 0) {
    // Nobody can cut it off under a reader.
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return fd;
  }
  if (fd >= 0) close(fd);
  return -1;
}

/// A slot that no helper has, ready for a first one; null without one.
Slot* take_slot(const gpu::Options& options) {
  for (auto& slot : slots) {
    if (slot.is_taken.exchange(true)) continue;
    if (slot.mapping == nullptr) {
      slot.fd = make_memory();
      void* const memory =
          slot.fd < 0 ? MAP_FAILED : mmap(nullptr, sizeof(Mapping), PROT_READ | PROT_WRITE, MAP_SHARED, slot.fd, 0);
      if (memory != MAP_FAILED) slot.mapping = new (memory) Mapping{};
    }
    if (slot.mapping != nullptr && slot.mapping->setup.set(options)) {
      slot.mapping->stamp();
      slot.mapping->setup.is_continued = false;
      gpu::clear(slot.mapping->block, {false, false});
      return &slot;
    }
    slot.is_taken = false;
    return nullptr;
  }
  return nullptr;
}

/// The thread that starts the helper, watches it and starts it anew. The kernel tells the helper when this thread ends.
class Keeper {
 public:
  explicit Keeper(std::shared_ptr<Run> run) : run_(std::move(run)) {}

  void run() {
    while (!run_->is_stopping.load(std::memory_order_acquire)) {
      const double now = monotonic_ms();
      if (pid_ != 0 && has_ended()) on_end(now);
      if (pid_ == 0 && now >= next_start_ms_) spawn(now);
      if (pid_ != 0) watch(now);
      const double left = pid_ == 0 ? next_start_ms_ - now : kTurnMs;
      run_->wake.wait(std::min(left, kTurnMs), end_fd_);
    }
    finish();
  }

 private:
  void tell(HelperState state) {
    if (!run_->is_stopping.load(std::memory_order_acquire)) gpu::set_helper(state, pid_, restarts_, silent_since_ms_);
  }

  bool has_ended() {
    const pid_t ended = waitpid(pid_, &status_, WNOHANG);
    // ECHILD: whoever ignores SIGCHLD has the kernel reap it.
    return ended == pid_ || (ended < 0 && errno == ECHILD);
  }

  void forget() {
    pid_ = 0;
    if (end_fd_ >= 0) close(end_fd_);
    end_fd_ = -1;
    silent_since_ms_ = 0;
    killed_ms_ = 0;
  }

  void on_end(double now) {
    const bool was_steady = now - started_ms_ >= kSteadyMs;
    const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
    forget();
    retry_later(now, was_steady);
    tell(code == kExitMapping || code == kExitUsage ? HelperState::cannot_start : HelperState::ended);
  }

  void retry_later(double now, bool was_steady) {
    retry_ms_ = was_steady ? kFirstRestartMs : std::clamp(retry_ms_ * 2, kFirstRestartMs, kLastRestartMs);
    next_start_ms_ = now + retry_ms_;
  }

  void spawn(double now) {
    if (slot_ == nullptr) {
      Slot* const slot = take_slot(run_->options);
      if (slot == nullptr) {
        // Helpers of earlier starts are still in the driver.
        retry_later(now, false);
        silent_since_ms_ = silent_since_ms_ == 0 ? now : silent_since_ms_;
        return tell(remaining() == 2 ? HelperState::stuck : HelperState::cannot_start);
      }
      use(slot);
    }
    silent_since_ms_ = 0;
    Mapping& mapping = *slot_->mapping;
    mapping.setup.is_continued = has_run_;
    const pid_t pid = launch(slot_->fd);
    if (pid <= 0) {
      retry_later(now, false);
      return tell(HelperState::cannot_start);
    }
    pid_ = pid;
    restarts_ += has_run_;
    has_run_ = true;
    started_ms_ = now;
    // Since Linux 5.3; without it the helper's end is seen at the next turn.
    end_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    tell(HelperState::running);
  }

  /// Its pid, or 0. glibc's posix_spawn stops only this thread until the program runs, and copies no memory.
  pid_t launch(int mapping_fd) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    // A stuck helper would otherwise keep the pipe to whoever reads the server's output open.
    for (int fd = 0; fd < kMappingFd; ++fd) posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&files, mapping_fd, kMappingFd);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    sigset_t signals;
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    // As this thread has it: none gets through before the helper has said which.
    posix_spawnattr_setsigmask(&attributes, &signals);
    std::string name = "inference-health-gpu", parent = std::to_string(getpid());
    char* arguments[] = {name.data(), parent.data(), nullptr};
    std::vector<char*> environment;
    for (auto& entry : run_->environment) environment.push_back(entry.data());
    environment.push_back(nullptr);
    pid_t pid = 0;
    const int error =
        posix_spawn(&pid, run_->options.helper.c_str(), &files, &attributes, arguments, environment.data());
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return error == 0 ? pid : 0;
  }

  void watch(double now) {
    const double heartbeat = slot_->mapping->block.heartbeat_ms.load(std::memory_order_acquire);
    const double last = std::max(heartbeat, started_ms_);
    const bool was_silent = silent_since_ms_ != 0;
    silent_since_ms_ = now - last > run_->options.silent_ms ? last : 0;
    if (killed_ms_ != 0) silent_since_ms_ = last;
    if (was_silent != (silent_since_ms_ != 0)) tell(was_silent ? HelperState::running : HelperState::stuck);
    if (killed_ms_ == 0 && now - last > kSilencesToKill * run_->options.silent_ms) {
      kill(pid_, SIGKILL);
      killed_ms_ = now;
    }
    // Killed and yet there: in the driver. Its successor takes the other slot over, if that is free.
    if (killed_ms_ != 0 && now - killed_ms_ > kGoneMs) replace();
  }

  void replace() {
    Slot* const slot = take_slot(run_->options);
    if (slot == nullptr) return;
    gpu::carry_over(slot_->mapping->block, slot->mapping->block);
    leave(*slot_);
    use(slot);
    forget();
  }

  void use(Slot* slot) {
    slot_ = slot;
    run_->use(slot->mapping);
    gpu::set_readable_block(&slot->mapping->block);
  }

  /// Leaves a helper to a thread that waits for it as long as it takes.
  void leave(Slot& slot) {
    gpu::start_detached("health-gpu-reap", [pid = pid_, &slot] {
      while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
      slot.is_taken.store(false, std::memory_order_release);
    });
  }

  void finish() {
    if (slot_ == nullptr) return over();
    const auto is_stuck = [&] {
      std::array<double, gpu::kGpuSlots> values;
      slot_->mapping->block.gpu.read(values);
      return values[static_cast<std::size_t>(gpu::GpuField::stuckSinceMs)] > 0 || silent_since_ms_ != 0;
    };
    const bool was_stuck = is_stuck();
    const double deadline = monotonic_ms() + kKillAfterStopMs;
    while (pid_ != 0 && !has_ended()) {
      const double now = monotonic_ms();
      if (was_stuck) over();
      if (now >= deadline) {
        kill(pid_, SIGKILL);
        leave(*slot_);
        return over();
      }
      // Its end, or the time; a signal from here on says nothing new.
      pollfd ended{end_fd_, POLLIN, 0};
      poll(&ended, 1, end_fd_ >= 0 ? static_cast<int>(deadline - now) + 1 : 5);
    }
    forget();
    slot_->is_taken.store(false, std::memory_order_release);
    over();
  }

  void over() { run_->is_over.store(true, std::memory_order_release); }

  std::shared_ptr<Run> run_;
  Slot* slot_ = nullptr;
  pid_t pid_ = 0;
  int end_fd_ = -1, status_ = 0;
  bool has_run_ = false;
  double restarts_ = 0, started_ms_ = 0, next_start_ms_ = 0, retry_ms_ = 0, silent_since_ms_ = 0, killed_ms_ = 0;
};

}  // namespace

void keep(std::shared_ptr<Run> run) { Keeper(std::move(run)).run(); }

int remaining() {
  int count = 0;
  for (const auto& slot : slots) count += slot.is_taken.load(std::memory_order_acquire);
  return count;
}

void forget_remaining() {
  for (auto& slot : slots) {
    slot.mapping = nullptr;
    slot.fd = -1;
    slot.is_taken = false;
  }
}

}  // namespace inference_health::helper
