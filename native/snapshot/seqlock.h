// One writer, any number of readers, no locks. A sequence number chooses which of two copies is current (Linux calls
// this a seqcount latch), so that a writer which the scheduler stops in the middle of a write never makes a reader wait:
// a reader tries again only when a whole new version was published while it copied.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace inference_health {

template <std::size_t Slots, typename Word = double>
class SeqlockSection {
 public:
  static constexpr std::size_t slots = Slots;

  /// Only ever called by one thread at a time. Slots beyond `values` are unspecified afterwards.
  void write(std::span<const Word> values) {
    const std::uint64_t next = sequence_.load(std::memory_order_relaxed) + 1;
    std::atomic<Word>* copy = copies_[next & 1];
    const std::size_t count = std::min(values.size(), Slots);
    // Release on every slot, not one fence: a reader that sees a slot of this write then also sees the sequence number
    // published before it and knows that its copy is gone. ThreadSanitizer understands this form and not fences.
    for (std::size_t i = 0; i < count; ++i) copy[i].store(values[i], std::memory_order_release);
    sequence_.store(next, std::memory_order_release);
  }

  /// Copies min(into.size(), Slots) slots and returns the version, which grows by one with every write.
  /// 0 = never written: every slot is then NaN (0 where words are not floating-point numbers).
  std::uint64_t read(std::span<Word> into) const {
    const std::size_t count = std::min(into.size(), Slots);
    for (;;) {
      const std::uint64_t before = sequence_.load(std::memory_order_acquire);
      if (before == 0) {
        std::fill_n(into.begin(), count, std::numeric_limits<Word>::quiet_NaN());
        return 0;
      }
      const std::atomic<Word>* copy = copies_[before & 1];
      for (std::size_t i = 0; i < count; ++i) into[i] = copy[i].load(std::memory_order_acquire);
      if (sequence_.load(std::memory_order_relaxed) == before) return before;
    }
  }

  std::uint64_t version() const { return sequence_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::uint64_t> sequence_{0};
  std::atomic<Word> copies_[2][Slots]{};
};

}  // namespace inference_health
