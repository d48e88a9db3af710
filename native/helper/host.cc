#include "helper/host.h"

#include <unistd.h>

#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "gpu/thread.h"
#include "helper/run.h"
#include "snapshot/clock.h"

namespace inference_health::helper {
namespace {

using gpu::Desired;
using gpu::HelperState;

constexpr double kStopMs = 1000;

struct Host {
  std::mutex mutex;
  std::shared_ptr<Run> run;
  pid_t owner = getpid();
};

// Never destroyed: threads may end while the process exits.
alignas(Host) unsigned char storage[sizeof(Host)];

Host& host() {
  static std::atomic<Host*> instance{new (storage) Host};
  // A forked child has neither the thread nor the helper; both are its parent's.
  if (instance.load()->owner != getpid()) {
    instance = new (storage) Host;
    forget_remaining();
  }
  return *instance;
}

template <typename Change>
void command(Change change) {
  auto& state = host();
  const std::scoped_lock lock(state.mutex);
  if (state.run != nullptr) state.run->command(change);
}

}  // namespace

bool start(const gpu::Options& options) {
  auto& state = host();
  const std::scoped_lock lock(state.mutex);
  if (state.run != nullptr) return false;
  auto run = std::make_shared<Run>();
  run->options = options;
  run->options.owner_pid = gpu::own_pid(options);
  // Here, on the thread of the caller: another may change the environment while it is read.
  for (char** entry = environ; *entry != nullptr; ++entry) run->environment.emplace_back(*entry);
  const bool is_followed = !options.segment.empty();
  gpu::set_helper(HelperState::running, 0, 0, 0);
  // A container ends when all of its processes have; one elsewhere is none of them.
  gpu::set_helper_blocks_restart(!is_followed && *run->options.owner_pid == 0);
  if (!gpu::start_detached("health-gpu-help", [run, is_followed] { is_followed ? follow(run) : keep(run); })) {
    gpu::set_helper(HelperState::not_used, 0, 0, 0);
    return false;
  }
  state.run = run;
  return true;
}

void stop() {
  auto& state = host();
  const std::scoped_lock lock(state.mutex);
  const auto run = std::exchange(state.run, nullptr);
  if (run == nullptr) return;
  run->is_stopping.store(true, std::memory_order_release);
  // One that somebody else runs is not ours to stop.
  if (run->options.segment.empty())
    run->command([](std::uint32_t) { return static_cast<std::uint32_t>(Desired::stopped); });
  run->wake.signal();
  const double deadline = monotonic_ms() + kStopMs;
  while (!run->is_over.load(std::memory_order_acquire) && monotonic_ms() < deadline) usleep(500);
  gpu::set_helper(HelperState::stopped, 0, 0, 0);
}

bool is_active() {
  auto& state = host();
  const std::scoped_lock lock(state.mutex);
  return state.run != nullptr;
}

void set_desired(Desired desired) {
  command([desired](std::uint32_t before) { return (before & ~kDesiredBits) | static_cast<std::uint32_t>(desired); });
}

void refresh() {
  command([](std::uint32_t before) { return before + kRefreshStep; });
}

}  // namespace inference_health::helper
