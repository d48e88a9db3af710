// The thread that waits in NVML for events: XIDs, ECC, poison, a GPU that is unavailable, a recovery action.
#include <algorithm>
#include <array>

#include "gpu/session.h"
#include "snapshot/clock.h"

namespace inference_health::gpu {
namespace {

using nvml::kSuccess;

constexpr std::uint64_t kWanted = nvml::kEventXid | nvml::kEventSingleBitEcc | nvml::kEventDoubleBitEcc |
                                  nvml::kEventMigConfig | nvml::kEventSingleBitStorm | nvml::kEventRetirement |
                                  nvml::kEventRetirementFailure | nvml::kEventNonFatalPoison |
                                  nvml::kEventFatalPoison | nvml::kEventUnavailable | nvml::kEventRecoveryAction;
// Short, so that a stop or a release need not wait for long: threads that are inside NVML when its static destructors run
// are nobody's friends.
constexpr std::uint32_t kWaitMs = 250;
constexpr double kIdleMs = 5000;
constexpr double kFirstBackoffMs = 1000, kLastBackoffMs = 30'000;
// Between looks at whether to stop, during a burst.
constexpr int kDrainAtOnce = 1024;

struct Counted {
  std::uint64_t type;
  GpuEvent count;
};
constexpr Counted kCounted[] = {
    {nvml::kEventSingleBitEcc, GpuEvent::eventSingleBitEcc},
    {nvml::kEventDoubleBitEcc, GpuEvent::eventDoubleBitEcc},
    {nvml::kEventSingleBitStorm, GpuEvent::eventSingleBitStorm},
    {nvml::kEventRetirement, GpuEvent::eventRetirement},
    {nvml::kEventRetirementFailure, GpuEvent::eventRetirementFailure},
    {nvml::kEventNonFatalPoison, GpuEvent::eventNonFatalPoison},
    {nvml::kEventFatalPoison, GpuEvent::eventFatalPoison},
    {nvml::kEventUnavailable, GpuEvent::eventUnavailable},
    {nvml::kEventRecoveryAction, GpuEvent::eventRecoveryAction},
    {nvml::kEventMigConfig, GpuEvent::eventMigConfig},
};
constexpr Counted kStamped[] = {
    {nvml::kEventDoubleBitEcc, GpuEvent::eventDoubleBitEccAtMs},
    {nvml::kEventFatalPoison, GpuEvent::eventFatalPoisonAtMs},
    {nvml::kEventUnavailable, GpuEvent::eventUnavailableAtMs},
    {nvml::kEventRecoveryAction, GpuEvent::eventRecoveryActionAtMs},
};

class EventThread {
 public:
  explicit EventThread(Session& session)
      : session_(session), thread_(session.events), driver_(thread_.stamp, session.block) {}

  void run() {
    while (!driver_.is_abandoned()) {
      const auto generation = session_.handles.generation.load(std::memory_order_seq_cst);
      if (session_.desired.load(std::memory_order_acquire) == Desired::stopped) return free_set();
      if (generation == 0) {
        park();
        continue;
      }
      if (set_ == nullptr || generation != built_for_) {
        session_.events_parked.store(false, std::memory_order_seq_cst);
        // The worker takes the handles back by setting the generation to 0 and then looks whether we are parked.
        if (session_.handles.generation.load(std::memory_order_seq_cst) != generation) continue;
        if (!build(generation)) continue;
      }
      wait();
    }
  }

 private:
  void set_state(EventState state) {
    if (session_.event_state.exchange(state, std::memory_order_relaxed) != state) session_.watch.wake.signal();
  }

  void park() {
    free_set();
    if (driver_.is_abandoned()) return;
    session_.events_parked.store(true, std::memory_order_seq_cst);
    session_.poke_workers();
    set_state(EventState::off);
    thread_.wake.wait(kIdleMs);
  }

  void free_set() {
    if (set_ != nullptr) driver_.call<Symbol::event_set_free>(-1, set_);
    set_ = nullptr;
  }

  bool build(std::uint64_t generation) {
    free_set();
    const auto library = load_library(session_.options.library);
    if (library == nullptr) return false;
    driver_.use(*library);
    built_for_ = generation;
    std::size_t registered = 0;
    if (driver_.call<Symbol::event_set_create>(-1, &set_) != kSuccess) set_ = nullptr;
    for (std::size_t slot = 0; set_ != nullptr && slot < kMaxGpus; ++slot) {
      auto& entry = session_.handles.entries[slot];
      devices_[slot] = entry.handle.load(std::memory_order_relaxed);
      if (devices_[slot] == nullptr || entry.address.load(std::memory_order_relaxed) == 0) continue;
      const auto number = static_cast<std::int32_t>(slot);
      std::uint64_t supported = 0;
      // One bit that the driver does not know, and the whole registration fails.
      if (driver_.call<Symbol::event_types>(number, devices_[slot], &supported) != kSuccess) continue;
      if ((supported & kWanted) == 0) continue;
      registered += driver_.call<Symbol::event_register>(number, devices_[slot], supported & kWanted, set_) == kSuccess;
    }
    if (driver_.is_abandoned()) return false;
    session_.event_rebuilds.fetch_add(1, std::memory_order_relaxed);
    if (registered > 0) {
      set_state(EventState::waiting);
      return true;
    }
    free_set();
    set_state(EventState::unsupported);
    back_off(kIdleMs);
    return false;
  }

  /// Sleeps without holding up whoever wants the set gone.
  void back_off(double milliseconds) {
    session_.events_parked.store(true, std::memory_order_seq_cst);
    session_.poke_workers();
    thread_.wake.wait(milliseconds);
  }

  void wait() {
    nvml::EventData data{};
    auto result = driver_.call<Symbol::event_set_wait>(-1, set_, &data, kWaitMs);
    for (int i = 0; result == kSuccess; ++i) {
      record(data);
      backoff_ms_ = 0;
      if (i == kDrainAtOnce) return;
      result = driver_.call<Symbol::event_set_wait>(-1, set_, &data, std::uint32_t{0});
    }
    if (result == nvml::kTimeout || driver_.is_abandoned()) {
      if (result == nvml::kTimeout && backoff_ms_ > 0) {
        backoff_ms_ = 0;
        session_.event_backoff_ms.store(0, std::memory_order_relaxed);
      }
      return;
    }
    // A lost GPU fails the wait for the whole set, at once and for ever, without saying which one it is: the worker asks
    // each of them, and the next set is made without the lost one.
    session_.event_errors.fetch_add(1, std::memory_order_relaxed);
    free_set();
    backoff_ms_ = std::clamp(backoff_ms_ * 2, kFirstBackoffMs, kLastBackoffMs);
    session_.event_backoff_ms.store(backoff_ms_, std::memory_order_relaxed);
    set_state(EventState::backing_off);
    session_.report_urgent();
    const auto before = session_.handles.generation.load(std::memory_order_acquire);
    const double until = monotonic_ms() + backoff_ms_;
    while (monotonic_ms() < until && session_.handles.generation.load(std::memory_order_acquire) == before &&
           session_.desired.load() == Desired::run) {
      back_off(until - monotonic_ms());
    }
  }

  void record(const nvml::EventData& data) {
    const double now = monotonic_ms();
    std::size_t slot = 0;
    while (slot < kMaxGpus && (devices_[slot] == nullptr || devices_[slot] != data.device)) ++slot;
    const bool is_known = slot < kMaxGpus;
    if (data.type & nvml::kEventXid) {
      const Address at = is_known ? address_of(slot, data) : Address{0x1ffff, 0xff, 0x1f};
      session_.block.xids.record(kSourceNvml, at, false, static_cast<std::uint32_t>(std::min<std::uint64_t>(data.data, 0xffff)),
                                 {}, 0, now);
    }
    if (is_known) {
      auto& counters = session_.block.events[slot];
      for (const auto& [type, count] : kCounted) {
        if ((data.type & type) == 0) continue;
        // One event thread writes; readers only load.
        auto& counter = counters[static_cast<std::size_t>(count)];
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
      }
      for (const auto& [type, at] : kStamped)
        if (data.type & type) counters[static_cast<std::size_t>(at)].store(now, std::memory_order_release);
    }
    session_.events_received.fetch_add(1, std::memory_order_relaxed);
    session_.last_event_ms.store(now, std::memory_order_relaxed);
    session_.block.changed();
    session_.report_urgent();
  }

  /// The MIG device that an event names, if it is in the inventory; else the GPU.
  Address address_of(std::size_t slot, const nvml::EventData& data) const {
    auto whole = Address::unpack(session_.handles.entries[slot].address.load(std::memory_order_relaxed));
    if (data.gpu_instance == nvml::kAllOnes32) return whole;
    auto instance = whole;
    instance.gpu_instance = std::min(data.gpu_instance, Address::kNoInstance);
    instance.compute_instance = std::min(data.compute_instance, Address::kNoInstance);
    const auto packed = instance.pack();
    for (const auto& entry : session_.handles.entries)
      if (entry.is_mig.load(std::memory_order_relaxed) && entry.address.load(std::memory_order_relaxed) == packed) return instance;
    return whole;
  }

  Session& session_;
  Session::Thread& thread_;
  DriverCalls driver_;
  nvml::EventSet set_ = nullptr;
  std::uint64_t built_for_ = 0;
  double backoff_ms_ = 0;
  std::array<nvml::Device, kMaxGpus> devices_{};
};

}  // namespace

void run_events(std::shared_ptr<Session> session) {
  EventThread(*session).run();
  session->events_parked.store(true, std::memory_order_release);
  session->events.is_running.store(false, std::memory_order_release);
  event_thread_exists.store(false, std::memory_order_release);
  session->watch.wake.signal();
}

}  // namespace inference_health::gpu
