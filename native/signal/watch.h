// Notes when a signal comes, at the moment at which it comes: the handler of libuv only writes to a pipe, which a blocked
// main thread does not read. Ours goes over it, stores the time, and calls it.
//
// Everything here but the handler is called on one thread, the main one; the notes are read on any.
#pragma once

#include <cstdint>
#include <span>

namespace inference_health::signals {

/// Handlers by others that ours may find over itself, one after the other, for one signal.
inline constexpr int kMaxLevels = 4;
/// Signals that follow each other faster are one, as lib/lifecycle/drain-machine.ts has it.
inline constexpr double kRepeatMs = 200;

/// Watches `numbers`; what was watched before is not any more. Signals whose action is the default or to be ignored are
/// left alone: there is nothing to call, and noting them must not keep the process alive. Returns how many are watched.
/// A third signal of which the main thread has acknowledged less than two ends the process with `exit_code`; negative:
/// never.
int watch(std::span<const int> numbers, int exit_code);
/// Puts ours over handlers that have been installed since. Returns how many had to.
int rearm();
/// Puts the handlers back that were there before. One that has been installed over ours stays, and may go on calling ours,
/// which then only calls on.
void unwatch();
/// The main thread has seen a signal.
void acknowledge();
/// Forgets the signals that came.
void clear();
/// CLOCK_MONOTONIC in milliseconds of the first signal since `clear`; 0 = none. Any thread.
double first_at_ms();

}  // namespace inference_health::signals
