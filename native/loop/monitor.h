// Loop monitor: how long an event loop has been busy without turning, readable from any thread.
//
// One uv_prepare handle per loop notes, once a turn, the time P and the loop's idle time I. Until the next turn the loop
// has been busy for (now − P) − (idle time now − I), wherever it is: libuv runs I/O callbacks inside its poll phase, which
// a pair of prepare and check handles alone would report as waiting. Before the first turn, P is the call of monitor().
// No timer and no wake-up; an unref'd handle keeps nothing alive.
#pragma once

#include <span>

#include "loop/uv.h"

namespace inference_health::loop {

inline constexpr int kCapacity = 64;
/// A turn that keeps the loop busy for at least this long counts as a stall.
inline constexpr double kStallMs = 100;
/// Below this the loop counts as idle: every wait starts with some microseconds of libuv's own work.
inline constexpr double kNoiseMs = 1;

/// Called on the loop's thread when the monitor's handle is closed and nothing of the monitor is left in the loop.
using Closed = void (*)(void* data);

/// Monitors `loop`, called on its own thread; the monitor's id (≥ 0, never used twice within 2^25 monitors of a slot),
/// or −1 when all slots are taken or the host has no libuv (`uv` is null).
int monitor(const Uv* uv, uv_loop_s* loop, Closed closed, void* data);
/// Ends it, on the loop's own thread and before the loop closes; `closed` follows when the loop turns. When this
/// returns, no other thread is or will be inside the loop. False for an id that is not monitored, or not on `loop`.
bool unmonitor(int id, uv_loop_s* loop);
/// Copies the fields of section `loop` (snapshot/layout.h); false when `id` is not monitored. Any thread.
bool read(int id, std::span<double> into);
/// Milliseconds for which the loop has been busy at `now_ms`, 0 when idle; false when `id` is not monitored. Any thread.
/// Take `now_ms` before the call: a thread that loses its processor in between then reads too little, never a false stall.
bool busy(int id, double now_ms, double& busy_ms);
/// Closes the utilization interval of every loop whose last one began about a second ago. The sampler calls it each
/// tick, and so does every read(), so that it also works without a sampler. Any thread.
void tick(double now_ms);

}  // namespace inference_health::loop
