// The NVML thread: initialises the library, samples in tiers, gives everything back and takes it again.
#include <algorithm>
#include <cstring>
#include <limits>

#include "gpu/driver_files.h"
#include "gpu/inventory.h"
#include "gpu/session.h"
#include "gpu/tiers.h"
#include "snapshot/clock.h"

namespace inference_health::gpu {
namespace {

using nvml::kSuccess;
constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

constexpr double kFirstRetryMs = 1000, kLastRetryMs = 30'000, kLookForLibraryMs = 60'000;
// Time for the driver's unbind to complete before we would hold it up again.
constexpr double kAfterUnbindMs = 5000;
constexpr double kLookForLostMs = 10'000;
constexpr double kUrgentGapMs = 250;
constexpr double kSystemPollMs = 1000;
// A tier may take 2 % of a core; one that takes longer comes as much less often, at most so many times.
constexpr double kDutyCycle = 0.02, kMaxStretch = 30;

struct Tier {
  double base_ms;
  GpuField at, duration, interval;
  double due_ms = 0;
};

class Worker {
 public:
  Worker(Session& session, std::size_t lane, bool is_replacement)
      : session_(session),
        options_(session.options),
        thread_(session.workers[lane]),
        lane_(session.block.lanes[lane]),
        driver_(thread_.stamp, session.block),
        own_pid_(own_pid(session.options)) {
    if (is_replacement) {
      inventory_.restore(session.block.current_lane());
      inventory_.forget_handles();
    }
    for (auto& value : lane_.values) value.store(kAbsent, std::memory_order_relaxed);
    for (std::size_t slot = 0; slot < kMaxGpus; ++slot)
      if (slot >= inventory_.size()) lane_.addresses[slot].store(0, std::memory_order_release);
    for (std::size_t slot = 0; slot < inventory_.size(); ++slot) inventory_.publish_row(lane_, slot);
    inventory_.publish_texts(lane_, texts_);
    set_state(State::starting);
    session.block.lane.store(static_cast<std::uint32_t>(lane), std::memory_order_release);
    session.block.changed();
  }

  void run() {
    while (!driver_.is_abandoned()) {
      switch (session_.desired.load(std::memory_order_acquire)) {
        case Desired::stopped:
          tear_down();
          free_system_set();
          return;
        case Desired::released:
          tear_down();
          free_system_set();
          if (!is_initialized_) set_state(State::released);
          next_init_ms_ = 0;
          thread_.wake.wait(is_initialized_ ? kUrgentGapMs : kLookForLibraryMs);
          continue;
        case Desired::run:
          break;
      }
      const double now = monotonic_ms();
      if (!is_initialized_) {
        if (now >= next_init_ms_) initialize(now);
        if (!is_initialized_) {
          wait_until(std::min(next_init_ms_, monotonic_ms() + kSystemPollMs * (has_system_set() ? 1 : 5)));
          look_for_driver();
        }
        continue;
      }
      poll_system_events();
      if (is_initialized_) tick(now);
      if (is_initialized_) wait_until(std::min({fast_.due_ms, medium_.due_ms, slow_.due_ms, urgent_at()}));
    }
  }

 private:
  void set_state(State state, NoneReason reason = NoneReason::no_reason, double code = kAbsent) {
    lane_.set(GpuField::noneReason, static_cast<double>(reason));
    lane_.set(GpuField::lastReturn, code);
    lane_.set(GpuField::state, static_cast<double>(state));
    session_.block.changed();
    session_.watch.wake.signal();
  }

  void wait_until(double at_ms) { thread_.wake.wait(at_ms - monotonic_ms()); }

  double urgent_at() const {
    return session_.is_urgent.load(std::memory_order_acquire) ? last_urgent_ms_ + kUrgentGapMs
                                                              : std::numeric_limits<double>::infinity();
  }

  // ---- initialisation

  void fail(NoneReason reason, double code) {
    retry_ms_ = std::clamp(retry_ms_ * 2, kFirstRetryMs, kLastRetryMs);
    next_init_ms_ = monotonic_ms() + (reason == NoneReason::library_missing ? kLookForLibraryMs : retry_ms_);
    set_state(State::none, reason, code);
  }

  DriverFiles driver_files() {
    DriverFiles files;
    driver_.timed<Symbol::driver_files>(-1, [&] {
      files = read_driver_files(options_.root);
      return kSuccess;
    });
    lane_.set(GpuField::deviceAccess, files.control == DeviceNode::missing ? kAbsent : files.control == DeviceNode::usable);
    const auto library = library_ == nullptr ? std::string_view{} : library_version(installed_library());
    const bool is_known = !library.empty() && !files.kernel_version.empty();
    lane_.set(GpuField::versionMismatch, is_known ? double(library != files.kernel_version) : kAbsent);
    return files;
  }

  /// What the library's name leads to now: an upgrade moves the link under a process that goes on with the old one.
  std::string_view installed_library() {
    char* resolved = realpath(library_->link().c_str(), nullptr);
    installed_ = resolved != nullptr ? resolved : library_->path();
    free(resolved);
    return installed_;
  }

  void initialize(double now) {
    if (library_ == nullptr) {
      driver_.timed<Symbol::load_library>(-1, [&] {
        library_ = load_library(options_.library);
        return library_ != nullptr ? kSuccess : nvml::kLibraryNotFound;
      });
      if (driver_.is_abandoned()) return;
      if (library_ == nullptr) return fail(NoneReason::library_missing, nvml::kLibraryNotFound);
      driver_.use(*library_);
      for (std::size_t i = 0; i < kSymbols; ++i) session_.block.calls[i].available.store(library_->has(i));
      std::strncpy(texts_.library_path, library_->path().c_str(), sizeof texts_.library_path - 1);
    }
    create_system_set();
    const auto result = driver_.call<Symbol::init>(-1);
    if (driver_.is_abandoned()) return;
    if (result != kSuccess) {
      files_ = driver_files();
      return fail(reason_of_failure(result, files_), result);
    }
    nvml_references.fetch_add(1);
    is_initialized_ = true;
    lane_.set(GpuField::initDurationMs, monotonic_ms() - now);
    read_versions();

    bool changed = false;
    const auto listed = inventory_.enumerate(driver_, now, changed);
    if (driver_.is_abandoned()) return;
    if (listed != kSuccess || inventory_.known_gpus() == 0) {
      tear_down();
      files_ = driver_files();
      const auto reason = listed != kSuccess                       ? reason_of_failure(listed, files_)
                          : files_.control == DeviceNode::refused ? NoneReason::access_lost
                                                                  : NoneReason::no_device_nodes;
      return fail(reason, listed);
    }
    retry_ms_ = 0;
    publish_inventory();
    fast_.due_ms = medium_.due_ms = slow_.due_ms = 0;
    set_state(State::ok);
  }

  void read_versions() {
    driver_.call<Symbol::driver_version>(-1, texts_.driver_version, std::uint32_t{sizeof texts_.driver_version});
    driver_.call<Symbol::nvml_version>(-1, texts_.nvml_version, std::uint32_t{sizeof texts_.nvml_version});
    texts_.driver_version[sizeof texts_.driver_version - 1] = texts_.nvml_version[sizeof texts_.nvml_version - 1] = '\0';
    // The plain form first: the other loads libcuda into the process.
    int version = 0;
    if (driver_.call<Symbol::cuda_version>(-1, &version) == kSuccess ||
        driver_.call<Symbol::cuda_version_v2>(-1, &version) == kSuccess)
      lane_.set(GpuField::cudaVersion, version);
  }

  /// While there is no driver: whether it is worth another try before the next one is due.
  void look_for_driver() {
    poll_system_events();
    if (library_ == nullptr || driver_.is_abandoned()) return;
    const double now = monotonic_ms();
    if (now < next_look_ms_) return;
    next_look_ms_ = now + 5 * kSystemPollMs;
    if (const auto files = driver_files(); files != files_) {
      files_ = files;
      next_init_ms_ = now;
    }
  }

  // ---- system events: the driver is unbound and bound

  void create_system_set() {
    if (has_system_set() || !driver_.has<Symbol::system_wait>() || !driver_.has<Symbol::system_register>()) return;
    nvml::SystemEventSetRequest create{nvml::version_word<nvml::SystemEventSetRequest>(1), nullptr};
    if (driver_.call<Symbol::system_set_create>(-1, &create) != kSuccess) return;
    session_.system_set.store(create.set);
    nvml::SystemRegisterRequest wanted{nvml::version_word<nvml::SystemRegisterRequest>(1),
                                       nvml::kSystemEventBind | nvml::kSystemEventUnbind, create.set};
    if (driver_.call<Symbol::system_register>(-1, &wanted) != kSuccess) free_system_set();
  }

  bool has_system_set() const { return session_.system_set.load() != nullptr; }

  void free_system_set() {
    if (driver_.is_abandoned() || !has_system_set()) return;
    nvml::SystemEventSetRequest request{nvml::version_word<nvml::SystemEventSetRequest>(1), session_.system_set.exchange(nullptr)};
    driver_.call<Symbol::system_set_free>(-1, &request);
  }

  void poll_system_events() {
    if (!has_system_set()) return;
    nvml::SystemEventData data[16] = {};
    nvml::SystemWaitRequest request{
        nvml::version_word<nvml::SystemWaitRequest>(1), 0, session_.system_set.load(), data, 16, 0};
    if (driver_.call<Symbol::system_wait>(-1, &request) != kSuccess) return;
    for (std::uint32_t i = 0; i < std::min(request.count, 16u); ++i) {
      if (data[i].type & nvml::kSystemEventUnbind) {
        on_driver_gone(nvml::kDriverNotLoaded);
        next_init_ms_ = monotonic_ms() + kAfterUnbindMs;
      }
      if (data[i].type & nvml::kSystemEventBind) {
        // Also while initialised: GPUs may have come.
        next_init_ms_ = 0;
        slow_.due_ms = 0;
      }
    }
  }

  void on_driver_gone(nvml::Return code) {
    tear_down();
    if (is_initialized_) return;
    for (std::size_t slot = 0; slot < inventory_.size(); ++slot) {
      auto& device = inventory_[slot];
      device.is_present = false;
      device[GpusField::lastReturn] = code;
      inventory_.publish_row(lane_, slot);
    }
    lane_.set(GpuField::count, 0);
    fail(NoneReason::driver_not_loaded, code);
  }

  /// Gives everything back that keeps the driver from being unloaded and GPUs from being reset. What cannot be given back,
  /// because the event thread does not return, stays initialised.
  void tear_down() {
    if (!is_initialized_) return;
    session_.handles.generation.store(0, std::memory_order_seq_cst);
    session_.events.wake.signal();
    const double deadline = monotonic_ms() + std::max(options_.deadline_ms, kLeastDeadlineMs);
    while (!session_.events_parked.load(std::memory_order_seq_cst) && event_thread_exists.load()) {
      if (monotonic_ms() > deadline || driver_.is_abandoned()) return;
      thread_.wake.wait(5);
    }
    // Another thread is stuck inside: the library is not to be taken from under it.
    if (lane_taken[0].load() && lane_taken[1].load()) return;
    while (nvml_references.load() > 0 && driver_.call<Symbol::shutdown>(-1) != kAbandoned) nvml_references.fetch_sub(1);
    inventory_.forget_handles();
    is_initialized_ = false;
    generation_ = session_.generations.fetch_add(1) + 1;
  }

  // ---- sampling

  void publish_inventory() {
    if (driver_.is_abandoned()) return;
    generation_ = session_.generations.fetch_add(1) + 1;
    lane_.set(GpuField::generation, generation_);
    lane_.set(GpuField::count, static_cast<double>(inventory_.present_gpus()));
    lane_.set(GpuField::inventoryCount, static_cast<double>(inventory_.known_gpus()));
    inventory_.publish_texts(lane_, texts_);
    for (std::size_t slot = 0; slot < inventory_.size(); ++slot) {
      auto& device = inventory_[slot];
      inventory_.publish_row(lane_, slot);
      auto& entry = session_.handles.entries[slot];
      const bool is_usable = !device.is_lost && !device.is_mig && !device.is_excluded;
      entry.handle.store(is_usable ? device.handle : nullptr, std::memory_order_relaxed);
      entry.is_mig.store(device.is_mig, std::memory_order_relaxed);
      entry.address.store(device.address.pack(), std::memory_order_relaxed);
    }
    session_.handles.generation.store(generation_, std::memory_order_release);
    session_.events.wake.signal();
    session_.block.changed();
    session_.watch.wake.signal();
  }

  template <typename Body>
  void run_tier(Tier& tier, Body body) {
    const double started = monotonic_ms();
    body(started);
    if (driver_.is_abandoned() || !is_initialized_) return;
    const double ended = monotonic_ms(), duration = ended - started;
    const double interval = std::clamp(duration / kDutyCycle, tier.base_ms, tier.base_ms * kMaxStretch);
    tier.due_ms = std::max(started + interval, ended);
    lane_.set(tier.at, started);
    lane_.set(tier.duration, duration);
    lane_.set(tier.interval, interval);
    session_.block.changed();
    session_.watch.wake.signal();
  }

  void tick(double now) {
    // A release that could not be completed was taken back.
    if (session_.handles.generation.load(std::memory_order_relaxed) == 0) publish_inventory();
    if (session_.is_urgent.load(std::memory_order_acquire) && now >= last_urgent_ms_ + kUrgentGapMs) {
      session_.is_urgent.store(false, std::memory_order_release);
      last_urgent_ms_ = now;
      fast_.due_ms = medium_.due_ms = 0;
    }
    if (now >= fast_.due_ms) run_tier(fast_, [&](double at) { fast(at); });
    if (is_initialized_ && now >= medium_.due_ms) run_tier(medium_, [&](double at) { medium(at); });
    if (is_initialized_ && now >= slow_.due_ms) run_tier(slow_, [&](double at) { slow(at); });
  }

  /// Not once a stop or a release waits: a tier may take long.
  bool is_wanted() const {
    return !driver_.is_abandoned() && session_.desired.load(std::memory_order_acquire) == Desired::run;
  }

  bool is_usable(const GpuDevice& device) const { return device.handle != nullptr && device.is_present && !device.is_excluded; }

  void update_exclusion() {
    const auto excluded = session_.excluded_gpu.load(std::memory_order_acquire);
    for (std::size_t slot = 0; slot < inventory_.size(); ++slot) {
      auto& device = inventory_[slot];
      device.is_excluded = excluded >= 0 && (static_cast<std::int32_t>(slot) == excluded || device.parent == excluded);
    }
  }

  void fast(double now) {
    update_exclusion();
    bool changed = false;
    std::size_t gpus = 0, gone = 0, refused = 0, stale = 0;
    for (std::size_t slot = 0; slot < inventory_.size() && is_wanted(); ++slot) {
      auto& device = inventory_[slot];
      if (device.is_lost && !device.is_excluded && now - device.looked_for_at_ms >= std::min(kLookForLostMs, medium_.base_ms)) {
        device.looked_for_at_ms = now;
        inventory_.find_again(driver_, slot);
      }
      if (!is_usable(device)) {
        if (device.is_excluded) inventory_.publish_row(lane_, slot);
        continue;
      }
      const auto code = sample_fast(driver_, device, static_cast<std::int32_t>(slot), now);
      if (driver_.is_abandoned()) return;
      if (!device.is_mig) {
        ++gpus;
        gone += code == nvml::kUninitialized || code == nvml::kDriverNotLoaded;
        refused += code == nvml::kUnknown || code == nvml::kOperatingSystem;
        stale += code == nvml::kInvalidArgument;
      }
      if (code == nvml::kGpuIsLost || code == nvml::kGpuNotFound) {
        changed = changed || !device.is_lost;
        inventory_.set_lost(slot, code, now);
        session_.block.xids.confirm(kSourceHandleProbe, device.address, 79);
      } else if (code == kSuccess && device.is_lost) {
        inventory_.set_returned(slot, now);
        changed = true;
        medium_.due_ms = 0;
      }
      inventory_.publish_row(lane_, slot);
    }
    if (driver_.is_abandoned()) return;
    if (gpus > 0 && gone == gpus) return on_driver_gone(nvml::kDriverNotLoaded);
    // All of them at once: not the GPUs, the container lost its devices.
    if (gpus > 0 && refused == gpus) driver_files();
    // Handles that the driver does not know (any more): take new ones, but not for ever.
    if (stale > 0 && now >= next_relist_ms_) {
      next_relist_ms_ = now + medium_.base_ms;
      inventory_.enumerate(driver_, now, changed);
    }
    if (changed) publish_inventory();
  }

  void medium(double now) {
    for (std::size_t slot = 0; slot < inventory_.size() && is_wanted(); ++slot) {
      auto& device = inventory_[slot];
      if (!is_usable(device) || device.is_lost || device.is_mig) continue;
      const auto number = static_cast<std::int32_t>(slot);
      const double before = device[GpusField::recoveryAction];
      if (session_.quiet_until_ms[slot].load(std::memory_order_relaxed) > now) {
        sample_recovery_action(driver_, device, number);
      } else {
        sample_medium(driver_, device, number, now);
      }
      if (driver_.is_abandoned()) return;
      const double action = device[GpusField::recoveryAction];
      if (action >= 0 && action != before && (action > 0 || before > 0)) {
        XidDetail detail;
        detail.to_action = static_cast<std::uint32_t>(action);
        session_.block.xids.record(kSourceField230, device.address, false, 154, detail, 0, now);
      }
      inventory_.publish_row(lane_, slot);
    }
    std::uint32_t count = 0;
    if (driver_.call<Symbol::count>(-1, &count) == kSuccess && count != inventory_.present_gpus()) slow_.due_ms = 0;
  }

  void slow(double now) {
    files_ = driver_files();
    bool changed = false;
    inventory_.enumerate(driver_, now, changed);
    update_exclusion();
    if (driver_.is_abandoned()) return;
    if (changed) publish_inventory();
    for (std::size_t slot = 0; slot < inventory_.size() && is_wanted(); ++slot) {
      auto& device = inventory_[slot];
      if (!is_usable(device) || device.is_lost) continue;
      if (session_.quiet_until_ms[slot].load(std::memory_order_relaxed) > now) continue;
      if (device[GpusField::supportedEvents] != device[GpusField::supportedEvents] && !device.is_mig) {
        std::uint64_t types = 0;
        if (driver_.call<Symbol::event_types>(static_cast<std::int32_t>(slot), device.handle, &types) == kSuccess)
          device[GpusField::supportedEvents] = static_cast<double>(types);
      }
      sample_slow(driver_, device, static_cast<std::int32_t>(slot), own_pid_, now);
      if (driver_.is_abandoned()) return;
      inventory_.publish_row(lane_, slot);
    }
  }

  Session& session_;
  const Options& options_;
  Session::Thread& thread_;
  Lane& lane_;
  DriverCalls driver_;
  Inventory inventory_;
  Texts texts_{};
  const std::uint32_t own_pid_;

  const Library* library_ = nullptr;
  std::string installed_;
  DriverFiles files_;
  bool is_initialized_ = false;
  std::uint64_t generation_ = 0;
  double retry_ms_ = 0, next_init_ms_ = 0, next_look_ms_ = 0, next_relist_ms_ = 0, last_urgent_ms_ = 0;

  Tier fast_{options_.fast_ms, GpuField::fastAtMs, GpuField::fastDurationMs, GpuField::fastIntervalMs};
  Tier medium_{options_.medium_ms, GpuField::mediumAtMs, GpuField::mediumDurationMs, GpuField::mediumIntervalMs};
  Tier slow_{options_.slow_ms, GpuField::slowAtMs, GpuField::slowDurationMs, GpuField::slowIntervalMs};
};

}  // namespace

void run_worker(std::shared_ptr<Session> session, std::size_t lane, bool is_replacement) {
  {
    // On the heap: the tables of all devices are larger than a careful stack.
    const auto worker = std::make_unique<Worker>(*session, lane, is_replacement);
    worker->run();
  }
  session->workers[lane].is_running.store(false, std::memory_order_release);
  lane_taken[lane].store(false, std::memory_order_release);
  session->watch.wake.signal();
}

}  // namespace inference_health::gpu
