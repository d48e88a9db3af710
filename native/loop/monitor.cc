#include "loop/monitor.h"

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "snapshot/clock.h"
#include "snapshot/layout.h"
#include "snapshot/seqlock.h"

namespace inference_health::loop {
namespace {

constexpr std::size_t kHandleBytes = 256;
constexpr int kGenerations = 1 << 25;
// A little under a second, so that ticks at 1 Hz with some jitter close an interval each and not every second one.
constexpr double kIntervalMs = 900;

// What the loop's thread notes at each turn.
enum TurnSlot : std::size_t { kAtMs, kIdleMs, kIterations, kStallCount, kLongestMs, kTotalMs, kTurnSlots };
using Turn = std::array<double, kTurnSlots>;

struct Slot {
  alignas(64) std::byte handle[kHandleBytes];  // first: libuv hands back its address, which is then the slot's

  std::atomic<bool> taken{false};
  std::atomic<int> id{-1};  // −1: nobody may enter
  std::atomic<int> readers{0};
  SeqlockSection<kTurnSlots> turns;

  // Written before `id` is published and after the last reader has left.
  const Uv* uv = nullptr;
  uv_loop_s* loop = nullptr;
  double tid = 0;
  Closed closed = nullptr;
  void* data = nullptr;
  int generation = 0;

  std::atomic<bool> measuring{false};  // its holder alone touches the next two
  double interval_at_ms = 0;
  double interval_idle_ms = 0;
  std::atomic<double> utilization{kAbsent};
};
static_assert(std::is_standard_layout_v<Slot> && std::is_trivially_destructible_v<Slot>);

// Static and never destroyed: readers may outlive every environment.
constinit Slot slots[kCapacity]{};
// How many of them, from the first, have ever been taken: a tick need not touch the memory of the others.
constinit std::atomic<int> used_slots{0};

Handle* handle_of(Slot& slot) { return reinterpret_cast<Handle*>(slot.handle); }
Slot& slot_of(Handle* handle) { return *reinterpret_cast<Slot*>(handle); }
double idle_ms(const Slot& slot) { return static_cast<double>(slot.uv->metrics_idle_time(slot.loop)) / 1e6; }

// Keeps a slot's loop open while it lives. unmonitor() first takes the id away and then waits for the readers: in the one
// order of sequentially consistent operations, either it sees this reader, or this reader sees that the id is gone.
class Visit {
 public:
  explicit Visit(int id) {
    if (id < 0) return;
    Slot& slot = slots[id % kCapacity];
    // Looking first, so that readers of an ended monitor do not hold up its end.
    if (slot.id.load(std::memory_order_relaxed) != id) return;
    slot.readers.fetch_add(1);
    slot_ = &slot;
    if (slot.id.load() != id) leave();
  }
  ~Visit() { leave(); }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  explicit operator bool() const { return slot_ != nullptr; }
  Slot& operator*() const { return *slot_; }

 private:
  void leave() {
    if (slot_ != nullptr) slot_->readers.fetch_sub(1);
    slot_ = nullptr;
  }
  Slot* slot_ = nullptr;
};

void on_turn(Handle* handle) {
  Slot& slot = slot_of(handle);
  Turn turn;
  slot.turns.read(turn);
  const double at = monotonic_ms();
  const double idle = idle_ms(slot);
  const double busy = (at - turn[kAtMs]) - (idle - turn[kIdleMs]);
  turn[kAtMs] = at;
  turn[kIdleMs] = idle;
  turn[kIterations] += 1;
  if (busy >= kStallMs) {
    turn[kStallCount] += 1;
    turn[kTotalMs] += busy;
    turn[kLongestMs] = std::max(turn[kLongestMs], busy);
  }
  slot.turns.write(turn);
}

void on_closed(Handle* handle) {
  Slot& slot = slot_of(handle);
  const Closed closed = slot.closed;
  void* const data = slot.data;
  slot.taken.store(false, std::memory_order_release);
  if (closed != nullptr) closed(data);
}

Slot* take_slot() {
  for (Slot& slot : slots) {
    bool taken = false;
    if (!slot.taken.compare_exchange_strong(taken, true, std::memory_order_acquire)) continue;
    const int used = static_cast<int>(&slot - slots) + 1;
    for (int known = used_slots.load(); known < used && !used_slots.compare_exchange_weak(known, used);) {
    }
    return &slot;
  }
  return nullptr;
}

struct Busy {
  double ms = 0;
  double since_ms = kAbsent;
};

Busy measure(Slot& slot, double now_ms, Turn& turn) {
  for (int attempt = 0; attempt < 4; ++attempt) {
    const std::uint64_t version = slot.turns.read(turn);
    const double idle = idle_ms(slot);
    if (slot.turns.version() != version) continue;
    // Nothing but finished waiting moves it, so it stays the same to the last bit for as long as one stall lasts.
    const double since = turn[kAtMs] + (idle - turn[kIdleMs]);
    if (now_ms - since < kNoiseMs) return {};
    // A thread that lost its processor just before it began to wait would read as busy by that much until it wakes.
    // Idle time that still advances tells; more than one look, since some clocks tick only every 40 ns.
    for (int look = 0; look < 4; ++look) {
      if (idle_ms(slot) != idle) return {};
    }
    return {now_ms - since, since};
  }
  return {};  // it turned four times while we looked
}

void close_interval(Slot& slot, double now_ms) {
  if (slot.measuring.exchange(true, std::memory_order_acquire)) return;
  const double elapsed = now_ms - slot.interval_at_ms;
  if (elapsed >= kIntervalMs) {
    const double idle = idle_ms(slot);
    const double busy_ratio = 1 - (idle - slot.interval_idle_ms) / elapsed;
    slot.utilization.store(std::clamp(busy_ratio, 0.0, 1.0), std::memory_order_relaxed);
    slot.interval_at_ms = now_ms;
    slot.interval_idle_ms = idle;
  }
  slot.measuring.store(false, std::memory_order_release);
}

}  // namespace

int monitor(const Uv* uv, uv_loop_s* loop, Closed closed, void* data) {
  if (uv == nullptr || uv->handle_size(kUvPrepare) > kHandleBytes) return -1;
  // Without this option idle time never advances, and a waiting loop would read as blocked. Node sets it; others may not.
  if (uv->loop_configure(loop, kUvMetricsIdleTime) != 0) return -1;
  Slot* const slot = take_slot();
  if (slot == nullptr) return -1;

  slot->uv = uv;
  slot->loop = loop;
  slot->tid = static_cast<double>(syscall(SYS_gettid));
  slot->closed = closed;
  slot->data = data;
  const double now = monotonic_ms();
  const double idle = idle_ms(*slot);
  slot->turns.write(Turn{now, idle});
  slot->interval_at_ms = now;
  slot->interval_idle_ms = idle;
  slot->utilization.store(kAbsent, std::memory_order_relaxed);

  uv->prepare_init(loop, handle_of(*slot));
  uv->prepare_start(handle_of(*slot), on_turn);
  uv->unref(handle_of(*slot));
  slot->generation = (slot->generation + 1) % kGenerations;
  const int id = slot->generation * kCapacity + static_cast<int>(slot - slots);
  slot->id.store(id);
  return id;
}

bool unmonitor(int id, uv_loop_s* loop) {
  if (id < 0) return false;
  Slot& slot = slots[id % kCapacity];
  {
    const Visit visit(id);
    if (!visit || slot.loop != loop) return false;
  }
  // An exchange and not a store: under qemu on x86 a store may still wait in its buffer while the next load is answered,
  // and a reader was seen inside a closed loop there.
  slot.id.exchange(-1);
  for (int spins = 0; slot.readers.load() != 0; ++spins) {
    // A reader stays for tens of nanoseconds, unless it lost its processor.
    constexpr timespec kPause{0, 50'000};
    if (spins < 64) {
      sched_yield();
    } else {
      nanosleep(&kPause, nullptr);
    }
  }
  slot.uv->close(handle_of(slot), on_closed);
  return true;
}

bool busy(int id, double now_ms, double& busy_ms) {
  const Visit visit(id);
  if (!visit) return false;
  Turn turn;
  busy_ms = measure(*visit, now_ms, turn).ms;
  return true;
}

bool read(int id, std::span<double> into) {
  const Visit visit(id);
  if (!visit) return false;
  Slot& slot = *visit;
  const double now = monotonic_ms();
  close_interval(slot, now);
  Turn turn;
  const Busy busy = measure(slot, now, turn);
  // The stall that goes on counts already; its turn will enter it into the same numbers when it ends.
  const bool stalled = busy.ms >= kStallMs;
  const auto set = [into](LoopField field, double value) { into[static_cast<std::size_t>(field)] = value; };
  set(LoopField::busyMs, busy.ms);
  set(LoopField::busySinceMs, busy.since_ms);
  set(LoopField::longestStallMs, std::max(turn[kLongestMs], stalled ? busy.ms : 0));
  set(LoopField::stallCount, turn[kStallCount] + (stalled ? 1 : 0));
  set(LoopField::stallTotalMs, turn[kTotalMs] + (stalled ? busy.ms : 0));
  set(LoopField::utilization, slot.utilization.load(std::memory_order_relaxed));
  set(LoopField::iterations, turn[kIterations]);
  set(LoopField::tid, slot.tid);
  set(LoopField::alive, 1);
  return true;
}

void tick(double now_ms) {
  for (Slot& slot : std::span(slots, static_cast<std::size_t>(used_slots.load()))) {
    const Visit visit(slot.id.load(std::memory_order_relaxed));
    if (visit) close_interval(*visit, now_ms);
  }
}

}  // namespace inference_health::loop
