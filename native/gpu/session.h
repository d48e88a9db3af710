// What the threads of one start share. A thread that never returns from the driver keeps its session alive and is alone
// with it: a later start makes a new one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "gpu/driver_calls.h"
#include "gpu/shared_block.h"
#include "gpu/wake.h"

namespace inference_health::gpu {

struct Options {
  std::string root;     // prefix of /proc, /sys and /dev; "" for the real ones
  std::string library;  // path of libnvidia-ml.so.1; "" = search
  std::string kmsg;     // path of the kernel log; "" = none
  double deadline_ms = 5000;
  double init_deadline_ms = 20000;
  double fast_ms = 1000, medium_ms = 15000, slow_ms = 60000;
  std::string helper;  // path of the helper's program: the threads run in a process of their own; "" = in this one
  std::string segment;        // path of a file that a helper writes which somebody else runs; "" = none
  double silent_ms = 10'000;  // a helper that has published nothing for so long is stuck; killed after three times as long

  // Of the helper itself.
  std::optional<std::uint32_t> owner_pid;  // see own_pid(); without a value it is this process
  bool is_continued = false;               // an earlier helper wrote to the block; what it knew is kept
};

/// However short the deadline is: an event wait takes a part of that, and a busy machine the rest.
inline constexpr double kLeastDeadlineMs = 750;

enum class Desired : std::uint32_t { run, released, stopped };

/// What the NVML thread gives to the event thread: handles by slot.
struct HandleTable {
  /// 0 = there are none to use; changes with every change.
  std::atomic<std::uint64_t> generation{0};
  struct Entry {
    std::atomic<nvml::Device> handle{nullptr};  // null for lost GPUs and MIG devices
    std::atomic<std::uint64_t> address{0};
    std::atomic<bool> is_mig{false};
  };
  std::array<Entry, kMaxGpus> entries;
};

struct Session {
  Session(Options given, SharedBlock& shared) : options(std::move(given)), block(shared) {}

  const Options options;
  SharedBlock& block;
  std::atomic<Desired> desired{Desired::run};

  struct Thread {
    CallStamp stamp;
    Wake wake;
    std::atomic<bool> is_running{false};
  };
  Thread watch;
  std::array<Thread, kLanes> workers;  // by lane
  Thread events;

  /// Of whichever worker is in charge: a replacement takes it over.
  std::atomic<nvml::SystemEventSet> system_set{nullptr};
  HandleTable handles;
  std::atomic<std::uint64_t> generations{0};
  /// The event thread has no event set and uses no handles.
  std::atomic<bool> events_parked{true};
  /// Look at every GPU now: an event says that something happened.
  std::atomic<bool> is_urgent{false};
  /// By slot: until when a GPU that answers slowly (XID 79, 119, 120) is asked for nothing but its recovery action.
  std::array<std::atomic<double>, kMaxGpus> quiet_until_ms{};
  /// The GPU on which a given-up thread is stuck, −1 none. Its replacement keeps away from it.
  std::atomic<std::int32_t> excluded_gpu{-1};

  // Of the event thread, for the published section.
  std::atomic<EventState> event_state{EventState::off};
  std::atomic<double> events_received{0}, event_errors{0}, event_rebuilds{0}, event_backoff_ms{0}, last_event_ms{0};

  void poke_workers() {
    for (auto& worker : workers) worker.wake.signal();
  }
  void report_urgent() {
    is_urgent.store(true, std::memory_order_release);
    poke_workers();
  }
};

/// Pid of this process (of the one that the helper works for) as the driver and the kernel log number it; 0 where this is another namespace's number.
std::uint32_t own_pid(const Options& options);

// The threads' bodies. Each ends when its session is stopped or its stamp abandoned.
void run_worker(std::shared_ptr<Session> session, std::size_t lane, bool is_replacement);
void run_events(std::shared_ptr<Session> session);
void run_watch(std::shared_ptr<Session> session);

/// How many times NVML was initialised and not yet shut down; shared by all sessions of the process.
extern std::atomic<int> nvml_references;
/// A lane belongs to a thread until the thread ends, however late.
extern std::atomic<bool> lane_taken[kLanes];
extern std::atomic<bool> event_thread_exists;
extern std::atomic<std::uint32_t> replacement_threads;
/// Threads that a stop did not wait for; what they held of the driver stays with them.
extern std::atomic<std::uint32_t> given_up_threads;

}  // namespace inference_health::gpu
