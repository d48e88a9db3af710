#include "gpu/gpu.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <new>

#include "gpu/thread.h"
#include "helper/host.h"
#include "snapshot/clock.h"

namespace inference_health::gpu {

std::atomic<int> nvml_references{0};
std::atomic<bool> lane_taken[kLanes]{};
std::atomic<bool> event_thread_exists{false};
std::atomic<std::uint32_t> replacement_threads{0}, given_up_threads{0};

namespace {

constexpr double kStopMs = 1000;

struct Control {
  std::mutex mutex;  // never held by a thread that enters NVML
  std::shared_ptr<Session> session;
};

// Never destroyed: workers may end while the process exits.
alignas(Control) unsigned char storage[sizeof(Control)];

Control& control() {
  static std::atomic<Control*> instance{new (storage) Control};
  static std::atomic<pid_t> owner{getpid()};
  // Threads do not survive fork, and NVML does not either: the child starts from nothing, and drops what the copy holds.
  if (const pid_t self = getpid(); owner.load(std::memory_order_relaxed) != self) {
    instance = new (storage) Control;
    nvml_references = 0;
    for (auto& taken : lane_taken) taken = false;
    event_thread_exists = false;
    replacement_threads = 0;
    owner.store(self, std::memory_order_relaxed);
  }
  return *instance;
}

template <typename Condition>
bool eventually(double milliseconds, Condition condition) {
  const double deadline = monotonic_ms() + milliseconds;
  while (!condition()) {
    if (monotonic_ms() > deadline) return false;
    usleep(500);
  }
  return true;
}

void set_desired(Desired desired) {
  auto& state = control();
  const std::scoped_lock lock(state.mutex);
  helper::set_desired(desired);
  if (state.session == nullptr) return;
  state.session->desired.store(desired, std::memory_order_release);
  state.session->poke_workers();
  state.session->events.wake.signal();
  state.session->watch.wake.signal();
}

}  // namespace

std::uint32_t own_pid(const Options& options) {
  if (options.owner_pid) return *options.owner_pid;
  // The inode of the initial pid namespace, a constant of the kernel (PROC_PID_INIT_INO).
  constexpr ino_t kInitialNamespace = 0xeffffffc;
  struct stat info;
  const std::string prefix = options.root == "/" ? std::string() : options.root;
  // Under another root (a test's) a file that exists stands for the initial namespace.
  const bool is_there = stat((prefix + "/proc/self/ns/pid").c_str(), &info) == 0;
  const bool is_initial = is_there && (info.st_ino == kInitialNamespace || !prefix.empty());
  return is_initial ? static_cast<std::uint32_t>(getpid()) : 0;
}

bool start(const Options& options, SharedBlock& block) {
  auto& state = control();
  const std::scoped_lock lock(state.mutex);
  if (state.session != nullptr || helper::is_active()) return false;
  if (!options.is_continued) clear(block, {lane_taken[0].load(), lane_taken[1].load()});
  set_readable_block(&block);
  if (!options.helper.empty() || !options.segment.empty()) return helper::start(options);
  set_helper(HelperState::not_used, 0, 0, 0);
  auto session = std::make_shared<Session>(options, block);
  session->watch.is_running = true;
  if (!start_detached("health-gpu", [session] { run_watch(session); })) return false;
  state.session = session;
  return true;
}

void stop() {
  auto& state = control();
  const std::scoped_lock lock(state.mutex);
  helper::stop();
  if (state.session == nullptr) return;
  const auto session = std::exchange(state.session, nullptr);
  session->desired.store(Desired::stopped, std::memory_order_release);
  session->poke_workers();
  session->events.wake.signal();
  session->watch.wake.signal();
  // A thread that is past its deadline is not waited for.
  const double deadline_ms = std::max(session->options.deadline_ms, kLeastDeadlineMs);
  const auto is_over = [&](const Session::Thread& thread) {
    const double started = thread.stamp.started_ms();
    return !thread.is_running || (started != 0 && monotonic_ms() - started > deadline_ms);
  };
  eventually(kStopMs, [&] {
    return is_over(session->workers[0]) && is_over(session->workers[1]) && is_over(session->events) &&
           !session->watch.is_running;
  });
  for (auto* thread : {&session->workers[0], &session->workers[1], &session->events}) {
    if (thread->is_running) given_up_threads.fetch_add(1);
    thread->stamp.abandon();
  }
  // It never enters the driver; only one may publish.
  eventually(kStopMs, [&] { return !session->watch.is_running; });
}

void release() { set_desired(Desired::released); }
void acquire() { set_desired(Desired::run); }

void refresh() {
  auto& state = control();
  const std::scoped_lock lock(state.mutex);
  helper::refresh();
  if (state.session != nullptr) state.session->report_urgent();
}

}  // namespace inference_health::gpu
