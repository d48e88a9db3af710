// What the thread that looks after a helper shares with those that give it commands.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gpu/session.h"
#include "gpu/wake.h"
#include "helper/mapping.h"

namespace inference_health::helper {

class Run {
 public:
  gpu::Options options;
  std::vector<std::string> environment;  // of the helper
  gpu::Wake wake;
  std::atomic<bool> is_stopping{false}, is_over{false};

  /// Readers and commands turn to this mapping; null while there is none to send to.
  void use(Mapping* mapping) {
    const std::scoped_lock lock(mutex_);
    mapping_ = mapping;
    send();
  }

  template <typename Change>
  void command(Change change) {
    const std::scoped_lock lock(mutex_);
    command_ = change(command_);
    send();
  }

 private:
  void send() {
    if (mapping_ == nullptr) return;
    mapping_->command.store(command_, std::memory_order_release);
    syscall(SYS_futex, &mapping_->command, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }

  std::mutex mutex_;  // so that no command goes to a mapping that was left
  Mapping* mapping_ = nullptr;
  std::uint32_t command_ = 0;
};

/// Starts the helper, watches it and starts it anew, until it is to stop.
void keep(std::shared_ptr<Run> run);
/// Follows one that somebody else runs.
void follow(std::shared_ptr<Run> run);

/// Helpers that were started here and have not ended.
int remaining();
/// What of that is in memory, in a child after a fork.
void forget_remaining();

}  // namespace inference_health::helper
